import { objectId } from '@fso/shared/git';
import type { Offer } from '@fso/shared/protocol';
import { describe, expect, it } from 'vitest';
import type { WholeOffer } from '../harness/git-objects.ts';
import { clusterFile, policyFile, scopeFile } from '../harness/policy-files.ts';
import { waitFor } from '../harness/waiting.ts';
import { idOf, useMaliciousHub, weaker } from './malicious-hub-harness.ts';
import type { SshKey } from './signing-bench.ts';

const bench = useMaliciousHub();

describe('a compromised hub', () => {
  it('has delivered a verified commit while it was honest', async () => {
    await waitFor(() =>
      expect(bench.hub.got('report').findLast(({ cluster: facts }) => facts)?.cluster).toMatchObject({
        revision: bench.head,
        verification: 'verified',
      }),
    );
    expect(bench.hub.got('report').findLast(({ cluster: facts }) => facts)?.cluster?.signer).toContain('ana@example.org (SHA256:');
    expect((await bench.standing()).policies.map(([name]) => name)).toEqual(['finance', 'hr']);
  });

  it('cannot forge a policy, unsigned or signed by a stranger', async () => {
    const unsigned = bench.aside(weaker, null);
    expect(await bench.refusalOf(unsigned, async () => bench.hub.send(await bench.offerOf(unsigned)))).toEqual(['unsigned']);
    const stranger = bench.aside(weaker, bench.eve);
    expect(await bench.refusalOf(stranger, async () => bench.hub.send(await bench.offerOf(stranger)))).toEqual(['signer-unknown']);
    await waitFor(() => {
      const events = bench.hub.got('report').flatMap((report) => report.events);
      expect(events.filter(({ reason }) => reason === 'RevisionNotTrusted').map(({ revision }) => revision)).toEqual([unsigned, stranger]);
    });
    // Also reported in the cluster, as the hub may hide it.
    const metrics = await (await fetch(`${bench.agent.url}/metrics`)).text();
    expect(metrics).toMatch(/^fso_agent_untrusted_revisions_total\{.*\} 2$/m);
  });

  it('cannot alter a file, under its old id or a new one', async () => {
    const text = policyFile('hr', ['eu-west-1']);
    const next = bench.aside({ 'policies/hr.yaml': text });
    const offer = await bench.offerOf(next);
    const content = policyFile('hr', ['us-east-1']);
    const altered = (id: string) => {
      const data = Buffer.from(content).toString('base64');
      return { ...offer, objects: offer.objects.map((object) => (object.id === idOf(text) ? { ...object, data, id } : object)) };
    };
    expect(await bench.refusalOf(next, () => bench.hub.send(altered(idOf(text))))).toEqual(['object-altered']);
    expect(await bench.refusalOf(next, () => bench.hub.send(altered(idOf(content))))).toEqual(['object-missing']);
  });

  it('cannot alter the commit, its message or its tree', async () => {
    const next = bench.aside({ 'policies/hr.yaml': policyFile('hr', ['eu-west-1']) });
    const offer = await bench.offerOf(next);
    const commit = offer.objects.find(({ id }) => id === next);
    const data = Buffer.from(
      Buffer.from(commit?.data ?? '', 'base64')
        .toString('latin1')
        .replace('Change', 'Chance'),
      'latin1',
    );
    const forged = objectId('commit', data);
    const objects = [...offer.objects, { id: forged, type: 'commit' as const, data: data.toString('base64') }];
    expect(await bench.refusalOf(forged, () => bench.hub.send({ ...offer, revision: forged, chain: [forged], objects }))).toEqual([
      'signature-invalid',
    ]);
  });

  it('cannot drop a file', async () => {
    const text = policyFile('new');
    const next = bench.aside({ 'policies/new.yaml': text });
    const offer = await bench.offerOf(next);
    const without = (type: string, ...ids: string[]) => ({
      ...offer,
      objects: offer.objects.filter((object) => object.type !== type && !ids.includes(object.id)),
    });
    expect(await bench.refusalOf(next, () => bench.hub.send(without('', idOf(text))))).toEqual(['object-missing']);
    // A folder without the file has another id, which the signed commit does not name.
    expect(await bench.refusalOf(next, () => bench.hub.send(without('tree')))).toEqual(['chain-incomplete']);
  });

  it('cannot go back to an old commit, although its signature is valid', async () => {
    const old = bench.head;
    await bench.goesOn();
    const whole = await bench.repository.offer(old, null);
    expect(await bench.refusalOf(old, () => bench.hub.send(whole))).toEqual(['not-a-descendant']);
    expect(await bench.refusalOf(old, () => bench.hub.send({ ...whole, anchor: bench.head }))).toEqual(['chain-incomplete']);
    expect(await bench.refusalOf(old, () => bench.hub.send({ ...whole, anchor: old }))).toEqual(['chain-incomplete']);
  });

  it('cannot go back after a restart of the agent', async () => {
    const old = bench.repository.git('rev-parse', `${bench.head}^`);
    const hellos = bench.hub.got('hello').length;
    await bench.agent.stop('SIGKILL');
    bench.agent = await bench.startAgent(bench.hub.url);
    await bench.greeted(hellos + 1);
    expect(bench.hub.got('hello').at(-1)).toMatchObject({ revision: bench.head, anchor: bench.head, holds: null });
    const whole = await bench.repository.offer(old, null);
    expect(await bench.refusalOf(old, () => bench.hub.send(whole))).toEqual(['not-a-descendant']);
    const next = bench.repository.commit({ 'policies/after.yaml': policyFile('after') });
    bench.hub.send(await bench.repository.offer(next, null, bench.head));
    await bench.acked(next);
    bench.head = next;
  });

  it('cannot remove commits from the chain, nor insert others', async () => {
    const middle = bench.repository.commit({ 'policies/a.yaml': policyFile('a') });
    const last = bench.aside({ 'policies/b.yaml': policyFile('b') });
    const offer = await bench.offerOf(last);
    expect(offer.chain).toEqual([middle, last]);
    expect(await bench.refusalOf(last, () => bench.hub.send({ ...offer, chain: [last] }))).toEqual(['chain-incomplete']);
    const other = bench.aside({ 'policies/c.yaml': policyFile('c') });
    const more = (await bench.offerOf(other)).objects;
    expect(
      await bench.refusalOf(last, () => bench.hub.send({ ...offer, chain: [other, last], objects: [...offer.objects, ...more] })),
    ).toEqual(['chain-incomplete']);
    bench.repository.git('reset', '--quiet', '--hard', last);
    bench.hub.send(offer);
    await bench.acked(last);
    bench.head = last;
  });

  it('cannot replay the offer of another cluster: each agent applies its own share', async () => {
    const next = bench.repository.commit({
      'policies/us.yaml': `${policyFile('us-only', ['us-east-2'])}  placement: { clusterNames: [us] }\n`,
    });
    // A frame for an agent of cluster us without a commit; only the chain from this agent's commit
    // differs.
    const { objects } = await bench.repository.offer(next, null);
    const replay: Offer = { type: 'offer', revision: next, anchor: null, chain: [next], objects };
    expect(await bench.refusalOf(next, () => bench.hub.send(replay))).toEqual(['not-a-descendant']);
    bench.hub.send({ ...replay, anchor: bench.head });
    await bench.acked(next);
    bench.head = next;
    expect((await bench.standing()).policies.map(([name]) => name)).not.toContain('us');
  });

  it('cannot make itself a signer', async () => {
    const signers = (key: SshKey | undefined) => ({ 'signers/allowed_signers': `x ${key?.line}\n` });
    const seized = bench.aside(signers(bench.eve), bench.eve);
    expect(await bench.refusalOf(seized, async () => bench.hub.send(await bench.offerOf(seized)))).toEqual(['signer-unknown']);
    await bench.goesOn(signers(bench.bob));
    const late = bench.aside(weaker, bench.ana);
    expect(await bench.refusalOf(late, async () => bench.hub.send(await bench.offerOf(late)))).toEqual(['signer-unknown']);
    bench.signAs(bench.bob);
    await bench.goesOn(signers(bench.ana));
    bench.signAs(bench.ana);
    const unsigned = bench.aside({ 'signers/allowed_signers': undefined });
    expect(await bench.refusalOf(unsigned, async () => bench.hub.send(await bench.offerOf(unsigned)))).toEqual(['signers-removed']);
    await bench.goesOn();
  });
});

describe('a compromised hub that forges which files concern a cluster', () => {
  const inside = 'clusterSelector: { matchLabels: { tier: one } }';
  const outside = 'clusterNames: [us]';
  const registration = clusterFile('eu', ['eu-west-1', 'eu-central-1'], 'tier: one');
  const names = async () => (await bench.standing()).policies.map(([name]) => String(name)).filter((name) => name.startsWith('scoped'));
  const without = (offer: WholeOffer, ...ids: string[]): WholeOffer => ({
    ...offer,
    objects: offer.objects.filter(({ id }) => !ids.includes(id)),
  });
  const idAt = (revision: string, path: string): string => bench.repository.git('rev-parse', `${revision}:${path}`);

  it('has delivered scopes while it was honest, and nothing of other clusters', async () => {
    await bench.goesOn({
      'clusters/eu.yaml': registration,
      'policies/one/scope.yaml': scopeFile('one', inside),
      'policies/one/deep/a.yaml': policyFile('scoped-a'),
      'policies/us/scope.yaml': scopeFile('us', outside),
      'policies/us/b.yaml': policyFile('scoped-b'),
    });
    expect(await names()).toEqual(['scoped-a']);
    const next = bench.repository.commit({ 'policies/us/b.yaml': policyFile('scoped-b', ['us-east-1']) });
    const offer = await bench.repository.offer(next, null, bench.head, 'eu');
    expect(offer.objects.map(({ id }) => id)).not.toContain(idAt(next, 'policies/us/b.yaml'));
    bench.hub.send(offer);
    await bench.acked(next);
    bench.head = next;
  });

  it('cannot withhold a folder from a cluster that its scope is for, nor the scope, nor the registration', async () => {
    const changes = {
      'policies/one/deep/a.yaml': policyFile('scoped-a', ['eu-central-1']),
      'policies/one/scope.yaml': `${scopeFile('one', inside)}  description: the same\n`,
      'clusters/eu.yaml': `${registration}  description: the same\n`,
    };
    const next = bench.aside(changes);
    const offer = await bench.offerOf(next);
    for (const path of [...Object.keys(changes), 'policies/one/deep', 'policies/one', 'clusters'])
      expect(await bench.refusalOf(next, () => bench.hub.send(without(offer, idAt(next, path))))).toEqual(['object-missing']);
    expect(await bench.refusalOf(next, async () => bench.hub.send(await bench.repository.offer(next, null, bench.head, 'us')))).toContain(
      'object-missing',
    );
  });

  it('cannot give it the scope or the registration of another', async () => {
    const next = bench.aside({
      'policies/one/scope.yaml': `${scopeFile('one', inside)}  description: other\n`,
      'clusters/eu.yaml': `${registration}  description: other\n`,
    });
    const offer = await bench.offerOf(next);
    const swapped = (path: string, text: string) => {
      const data = Buffer.from(text).toString('base64');
      return { ...offer, objects: offer.objects.map((object) => (object.id === idAt(next, path) ? { ...object, data } : object)) };
    };
    for (const [path, text] of [
      ['policies/one/scope.yaml', scopeFile('one', outside)],
      ['clusters/eu.yaml', clusterFile('eu', ['eu-west-1'], 'tier: two')],
    ] as const)
      expect(await bench.refusalOf(next, () => bench.hub.send(swapped(path, text)))).toEqual(['object-altered']);
    // A folder that names another scope in its place is another folder.
    const [folder, mine, other] = ['policies/one', 'policies/one/scope.yaml', 'policies/us/scope.yaml'].map((path) => idAt(next, path));
    const objects = offer.objects.map((object) => {
      if (object.id !== folder) return object;
      const data = Buffer.from(object.data, 'base64').toString('hex').replace(String(mine), String(other));
      return { ...object, data: Buffer.from(data, 'hex').toString('base64') };
    });
    expect(await bench.refusalOf(next, () => bench.hub.send({ ...offer, objects }))).toEqual(['object-altered']);
  });

  it('cannot roll a scope back, whether the cluster was in it or not', async () => {
    const before = bench.head;
    await bench.goesOn({ 'policies/one/scope.yaml': scopeFile('one', outside) });
    await waitFor(async () => expect(await names()).toEqual([]));
    await waitFor(() => expect(bench.hub.got('report').flatMap(({ events }) => events.map(({ reason }) => reason))).toContain('ScopeLeft'));
    const older = await bench.repository.offer(before, null);
    expect(await bench.refusalOf(before, () => bench.hub.send(older))).toEqual(['not-a-descendant']);
    expect(await bench.refusalOf(before, () => bench.hub.send({ ...older, anchor: bench.head }))).toEqual(['chain-incomplete']);
    const outsideOf = bench.head;
    await bench.goesOn({ 'policies/one/scope.yaml': scopeFile('one', inside) });
    expect(await names()).toEqual(['scoped-a']);
    const narrow = await bench.repository.offer(outsideOf, null);
    expect(await bench.refusalOf(outsideOf, () => bench.hub.send(narrow))).toEqual(['not-a-descendant']);
    expect(await names()).toEqual(['scoped-a']);
  });

  it.each<[string, Record<string, string | undefined>]>([
    ['a scope in another case', { 'policies/one/scope.yaml': undefined, 'policies/one/Scope.yaml': scopeFile('one', outside) }],
    ['a scope with an unknown field', { 'policies/one/scope.yaml': `${scopeFile('one', outside)}  clusters: [us]\n` }],
    ['a registration with another ending', { 'clusters/eu.yaml': undefined, 'clusters/eu.yml': registration }],
  ])('cannot make an agent accept a commit that an honest hub would refuse: %s', async (_what, files) => {
    const next = bench.aside(files);
    expect(await bench.refusalOf(next, async () => bench.hub.send(await bench.offerOf(next)))).toEqual([undefined]);
    await bench.goesOn();
  });
});
