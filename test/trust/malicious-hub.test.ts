import { randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { LocalCluster } from '@fso/clusters/local';
import { AGENT_STATE, SYSTEM_NAMESPACE } from '@fso/shared/api';
import { objectId } from '@fso/shared/git';
import { CONFIG_MAP_KIND, type KubeClient, SOVEREIGN_POLICY_KIND } from '@fso/shared/kube';
import { CLOSE_CODES, encodeFrame, MAX_HUB_FRAME_BYTES, type Offer, type WholeObject } from '@fso/shared/protocol';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeKey, signSsh } from '../../shared/trust/testing/commits.ts';
import { type AgentProcess, startAgentProcess } from '../harness/agent-process.ts';
import { makeObjectRepository, type ObjectRepository, type WholeOffer } from '../harness/git-objects.ts';
import { openKubeClient } from '../harness/kube-client.ts';
import { startTestCluster } from '../harness/local-cluster.ts';
import { clusterFile, policyFile, scopeFile } from '../harness/policy-files.ts';
import { type ScriptedHub, startScriptedHub } from '../harness/scripted-hub.ts';
import { never, waitFor } from '../harness/waiting.ts';
import { openSigningBench, type SigningBench, type SshKey } from './signing-bench.ts';

/**
 * Memory that the chart gives an agent: `resources.limits.memory`, of which V8 takes about half for
 * its heap.
 */
const CHART = { memoryMb: 512, heapMb: 256 };

let folder: string;
let cluster: LocalCluster;
let client: KubeClient;
let hub: ScriptedHub;
let agent: AgentProcess;
let keys: SigningBench;
let [ana, bob, eve]: SshKey[] = [];
let repository: ObjectRepository;
const cleanups: (() => unknown)[] = [];
/** The revision that the agent last accepted. */
let head = '';

/** @param key null: commits are not signed */
const signAs = (key: SshKey | null | undefined): void => {
  repository.git('config', 'gpg.format', 'ssh');
  repository.git('config', 'user.signingKey', key?.file ?? '');
  repository.git('config', 'commit.gpgSign', String(key !== null));
};
const startAgent = (hubUrl: string): Promise<AgentProcess> => {
  const signers = join(folder, 'allowed_signers');
  writeFileSync(signers, `ana@example.org ${ana?.line}\n`);
  const env = { FSO_HUB_URL: hubUrl, FSO_HUB_TOKEN: 'secret', FSO_SIGNERS_FILE: signers };
  return startAgentProcess(cluster, { folder, env: { ...env, NODE_OPTIONS: `--max-old-space-size=${CHART.heapMb}` } });
};

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'fso-malicious-'));
  cleanups.push(() => rmSync(folder, { recursive: true, force: true }));
  keys = openSigningBench();
  cleanups.push(() => keys.close());
  [ana, bob, eve] = ['ana', 'bob', 'eve'].map((name) => keys.sshKey(name, '-t', 'ed25519'));
  cluster = await startTestCluster({ name: 'eu', stateDir: folder, regions: ['eu-west-1'], gatekeeper: false }, never);
  cleanups.push(() => cluster.stop());
  client = openKubeClient({ kubeconfig: cluster.kubeconfig });
  cleanups.push(() => client.close());
  hub = await startScriptedHub();
  cleanups.push(() => hub.close());
  repository = makeObjectRepository();
  cleanups.push(() => repository.remove());
  signAs(ana);
  agent = await startAgent(hub.url);
  cleanups.push(() => agent.stop());
  await greeted(1);
  head = repository.commit({
    'clusters/eu.yaml': clusterFile('eu', ['eu-west-1', 'eu-central-1']),
    'clusters/us.yaml': clusterFile('us', ['us-east-1']),
    'policies/finance.yaml': policyFile('finance'),
    'policies/hr.yaml': policyFile('hr', ['eu-central-1']),
    'policies/us.yaml': `${policyFile('us-only', ['us-east-1'])}  placement: { clusterNames: [us] }\n`,
  });
  hub.send(await repository.offer(head, null));
  await acked(head);
});
afterAll(async () => {
  for (const cleanup of cleanups.reverse()) await cleanup();
});

const greeted = (times: number): Promise<void> => waitFor(() => expect(hub.got('hello').length).toBeGreaterThanOrEqual(times));
const acked = (revision: string): Promise<void> => waitFor(() => expect(hub.got('ack').map((ack) => ack.revision)).toContain(revision));

/** All objects in the cluster that follow from the agent's offers. */
const standing = async () => {
  const signal = never;
  const policies = await client.list(SOVEREIGN_POLICY_KIND, { namespace: SYSTEM_NAMESPACE }, signal);
  const state = await client.get(CONFIG_MAP_KIND, { namespace: SYSTEM_NAMESPACE, name: AGENT_STATE }, signal);
  return {
    policies: policies.map(({ metadata, spec }) => [metadata.name, metadata.generation, spec]),
    state: [Reflect.get(Object(state), 'data'), Reflect.get(Object(state), 'binaryData')],
  };
};

/** Runs an attack that must change nothing. @returns the codes of the refusal */
const refusalOf = async (revision: string, attack: () => Promise<void> | void): Promise<(string | undefined)[]> => {
  const before = await standing();
  const seen = hub.got('nack').length;
  const hellos = hub.got('hello').length;
  await attack();
  const nack = await waitFor(() => {
    const found = hub
      .got('nack')
      .slice(seen)
      .find((each) => each.revision === revision);
    if (found === undefined) throw new Error('no nack yet');
    return found;
  });
  const codes = nack.reasons.map(({ code }) => code);
  // The agent requests missing objects over a new connection.
  if (codes.includes('object-missing') || nack.reasons[0]?.message.match(/missing|not all there/)) await greeted(hellos + 1);
  expect(await standing()).toEqual(before);
  expect(nack.reasons.every(({ message }) => message.length > 20)).toBe(true);
  return codes;
};
/** Creates a commit that the agent never gets, and returns to the accepted one. */
const aside = (files: Record<string, string | undefined>, key: SshKey | null | undefined = ana): string => {
  signAs(key);
  const id = repository.commit(files);
  signAs(ana);
  repository.git('reset', '--quiet', '--hard', head);
  return id;
};
const weaker = { 'policies/finance.yaml': policyFile('finance', ['us-east-1']) };
/** A full offer: an agent that missed objects keeps none of them. */
const offerOf = (revision: string): Promise<WholeOffer> => repository.offer(revision, null, head);
const idOf = (text: string): string => objectId('blob', Buffer.from(text));
/** Checks that an honest offer is still accepted. */
let notes = 0;
const goesOn = async (files: Record<string, string> = {}) => {
  notes += 1;
  const next = repository.commit({ 'policies/note.yaml': policyFile('note', ['eu-west-1', `eu-north-${notes}`]), ...files });
  hub.send(await offerOf(next));
  await acked(next);
  head = next;
};
const memoryPeakMb = (): number => Number(/VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${agent.pid}/status`, 'utf8'))?.[1]) / 1024;

describe('a compromised hub', () => {
  it('has delivered a verified commit while it was honest', async () => {
    await waitFor(() =>
      expect(hub.got('report').findLast(({ cluster: facts }) => facts)?.cluster).toMatchObject({
        revision: head,
        verification: 'verified',
      }),
    );
    expect(hub.got('report').findLast(({ cluster: facts }) => facts)?.cluster?.signer).toContain('ana@example.org (SHA256:');
    expect((await standing()).policies.map(([name]) => name)).toEqual(['finance', 'hr']);
  });

  it('cannot forge a policy, unsigned or signed by a stranger', async () => {
    const unsigned = aside(weaker, null);
    expect(await refusalOf(unsigned, async () => hub.send(await offerOf(unsigned)))).toEqual(['unsigned']);
    const stranger = aside(weaker, eve);
    expect(await refusalOf(stranger, async () => hub.send(await offerOf(stranger)))).toEqual(['signer-unknown']);
    await waitFor(() => {
      const events = hub.got('report').flatMap((report) => report.events);
      expect(events.filter(({ reason }) => reason === 'RevisionNotTrusted').map(({ revision }) => revision)).toEqual([unsigned, stranger]);
    });
    // Also reported in the cluster, as the hub may hide it.
    const metrics = await (await fetch(`${agent.url}/metrics`)).text();
    expect(metrics).toMatch(/^fso_agent_untrusted_revisions_total\{.*\} 2$/m);
  });

  it('cannot alter a file, under its old id or a new one', async () => {
    const text = policyFile('hr', ['eu-west-1']);
    const next = aside({ 'policies/hr.yaml': text });
    const offer = await offerOf(next);
    const content = policyFile('hr', ['us-east-1']);
    const altered = (id: string) => {
      const data = Buffer.from(content).toString('base64');
      return { ...offer, objects: offer.objects.map((object) => (object.id === idOf(text) ? { ...object, data, id } : object)) };
    };
    expect(await refusalOf(next, () => hub.send(altered(idOf(text))))).toEqual(['object-altered']);
    expect(await refusalOf(next, () => hub.send(altered(idOf(content))))).toEqual(['object-missing']);
  });

  it('cannot alter the commit, its message or its tree', async () => {
    const next = aside({ 'policies/hr.yaml': policyFile('hr', ['eu-west-1']) });
    const offer = await offerOf(next);
    const commit = offer.objects.find(({ id }) => id === next);
    const data = Buffer.from(
      Buffer.from(commit?.data ?? '', 'base64')
        .toString('latin1')
        .replace('Change', 'Chance'),
      'latin1',
    );
    const forged = objectId('commit', data);
    const objects = [...offer.objects, { id: forged, type: 'commit' as const, data: data.toString('base64') }];
    expect(await refusalOf(forged, () => hub.send({ ...offer, revision: forged, chain: [forged], objects }))).toEqual([
      'signature-invalid',
    ]);
  });

  it('cannot drop a file', async () => {
    const text = policyFile('new');
    const next = aside({ 'policies/new.yaml': text });
    const offer = await offerOf(next);
    const without = (type: string, ...ids: string[]) => ({
      ...offer,
      objects: offer.objects.filter((object) => object.type !== type && !ids.includes(object.id)),
    });
    expect(await refusalOf(next, () => hub.send(without('', idOf(text))))).toEqual(['object-missing']);
    // A folder without the file has another id, which the signed commit does not name.
    expect(await refusalOf(next, () => hub.send(without('tree')))).toEqual(['chain-incomplete']);
  });

  it('cannot go back to an old commit, although its signature is valid', async () => {
    const old = head;
    await goesOn();
    const whole = await repository.offer(old, null);
    expect(await refusalOf(old, () => hub.send(whole))).toEqual(['not-a-descendant']);
    expect(await refusalOf(old, () => hub.send({ ...whole, anchor: head }))).toEqual(['chain-incomplete']);
    expect(await refusalOf(old, () => hub.send({ ...whole, anchor: old }))).toEqual(['chain-incomplete']);
  });

  it('cannot go back after a restart of the agent', async () => {
    const old = repository.git('rev-parse', `${head}^`);
    const hellos = hub.got('hello').length;
    await agent.stop('SIGKILL');
    agent = await startAgent(hub.url);
    await greeted(hellos + 1);
    expect(hub.got('hello').at(-1)).toMatchObject({ revision: head, anchor: head, holds: null });
    const whole = await repository.offer(old, null);
    expect(await refusalOf(old, () => hub.send(whole))).toEqual(['not-a-descendant']);
    const next = repository.commit({ 'policies/after.yaml': policyFile('after') });
    hub.send(await repository.offer(next, null, head));
    await acked(next);
    head = next;
  });

  it('cannot remove commits from the chain, nor insert others', async () => {
    const middle = repository.commit({ 'policies/a.yaml': policyFile('a') });
    const last = aside({ 'policies/b.yaml': policyFile('b') });
    const offer = await offerOf(last);
    expect(offer.chain).toEqual([middle, last]);
    expect(await refusalOf(last, () => hub.send({ ...offer, chain: [last] }))).toEqual(['chain-incomplete']);
    const other = aside({ 'policies/c.yaml': policyFile('c') });
    const more = (await offerOf(other)).objects;
    expect(await refusalOf(last, () => hub.send({ ...offer, chain: [other, last], objects: [...offer.objects, ...more] }))).toEqual([
      'chain-incomplete',
    ]);
    repository.git('reset', '--quiet', '--hard', last);
    hub.send(offer);
    await acked(last);
    head = last;
  });

  it('cannot replay the offer of another cluster: each agent applies its own share', async () => {
    const next = repository.commit({ 'policies/us.yaml': `${policyFile('us-only', ['us-east-2'])}  placement: { clusterNames: [us] }\n` });
    // A frame for an agent of cluster us without a commit; only the chain from this agent's commit differs.
    const { objects } = await repository.offer(next, null);
    const replay: Offer = { type: 'offer', revision: next, anchor: null, chain: [next], objects };
    expect(await refusalOf(next, () => hub.send(replay))).toEqual(['not-a-descendant']);
    hub.send({ ...replay, anchor: head });
    await acked(next);
    head = next;
    expect((await standing()).policies.map(([name]) => name)).not.toContain('us');
  });

  it('cannot make itself a signer', async () => {
    const signers = (key: SshKey | undefined) => ({ 'signers/allowed_signers': `x ${key?.line}\n` });
    const seized = aside(signers(eve), eve);
    expect(await refusalOf(seized, async () => hub.send(await offerOf(seized)))).toEqual(['signer-unknown']);
    await goesOn(signers(bob));
    const late = aside(weaker, ana);
    expect(await refusalOf(late, async () => hub.send(await offerOf(late)))).toEqual(['signer-unknown']);
    signAs(bob);
    await goesOn(signers(ana));
    signAs(ana);
    const unsigned = aside({ 'signers/allowed_signers': undefined });
    expect(await refusalOf(unsigned, async () => hub.send(await offerOf(unsigned)))).toEqual(['signers-removed']);
    await goesOn();
  });
});

describe('a compromised hub that says what is for which cluster', () => {
  const inside = 'clusterSelector: { matchLabels: { tier: one } }';
  const outside = 'clusterNames: [us]';
  const registration = clusterFile('eu', ['eu-west-1', 'eu-central-1'], 'tier: one');
  const names = async () => (await standing()).policies.map(([name]) => String(name)).filter((name) => name.startsWith('scoped'));
  const without = (offer: WholeOffer, ...ids: string[]): WholeOffer => ({
    ...offer,
    objects: offer.objects.filter(({ id }) => !ids.includes(id)),
  });
  const idAt = (revision: string, path: string): string => repository.git('rev-parse', `${revision}:${path}`);

  it('has delivered scopes while it was honest, and nothing of what is for others', async () => {
    await goesOn({
      'clusters/eu.yaml': registration,
      'policies/one/scope.yaml': scopeFile('one', inside),
      'policies/one/deep/a.yaml': policyFile('scoped-a'),
      'policies/us/scope.yaml': scopeFile('us', outside),
      'policies/us/b.yaml': policyFile('scoped-b'),
    });
    expect(await names()).toEqual(['scoped-a']);
    const next = repository.commit({ 'policies/us/b.yaml': policyFile('scoped-b', ['us-east-1']) });
    const offer = await repository.offer(next, null, head, 'eu');
    expect(offer.objects.map(({ id }) => id)).not.toContain(idAt(next, 'policies/us/b.yaml'));
    hub.send(offer);
    await acked(next);
    head = next;
  });

  it('cannot withhold a folder from a cluster that its scope is for, nor the scope, nor the registration', async () => {
    const changes = {
      'policies/one/deep/a.yaml': policyFile('scoped-a', ['eu-central-1']),
      'policies/one/scope.yaml': `${scopeFile('one', inside)}  description: the same\n`,
      'clusters/eu.yaml': `${registration}  description: the same\n`,
    };
    const next = aside(changes);
    const offer = await offerOf(next);
    for (const path of [...Object.keys(changes), 'policies/one/deep', 'policies/one', 'clusters'])
      expect(await refusalOf(next, () => hub.send(without(offer, idAt(next, path))))).toEqual(['object-missing']);
    expect(await refusalOf(next, async () => hub.send(await repository.offer(next, null, head, 'us')))).toContain('object-missing');
  });

  it('cannot give it the scope or the registration of another', async () => {
    const next = aside({
      'policies/one/scope.yaml': `${scopeFile('one', inside)}  description: other\n`,
      'clusters/eu.yaml': `${registration}  description: other\n`,
    });
    const offer = await offerOf(next);
    const swapped = (path: string, text: string) => {
      const data = Buffer.from(text).toString('base64');
      return { ...offer, objects: offer.objects.map((object) => (object.id === idAt(next, path) ? { ...object, data } : object)) };
    };
    for (const [path, text] of [
      ['policies/one/scope.yaml', scopeFile('one', outside)],
      ['clusters/eu.yaml', clusterFile('eu', ['eu-west-1'], 'tier: two')],
    ] as const)
      expect(await refusalOf(next, () => hub.send(swapped(path, text)))).toEqual(['object-altered']);
    // A folder that names another scope in its place is another folder.
    const [folder, mine, other] = ['policies/one', 'policies/one/scope.yaml', 'policies/us/scope.yaml'].map((path) => idAt(next, path));
    const objects = offer.objects.map((object) => {
      if (object.id !== folder) return object;
      const data = Buffer.from(object.data, 'base64').toString('hex').replace(String(mine), String(other));
      return { ...object, data: Buffer.from(data, 'hex').toString('base64') };
    });
    expect(await refusalOf(next, () => hub.send({ ...offer, objects }))).toEqual(['object-altered']);
  });

  it('cannot roll a scope back, whether the cluster was in it or not', async () => {
    const before = head;
    await goesOn({ 'policies/one/scope.yaml': scopeFile('one', outside) });
    await waitFor(async () => expect(await names()).toEqual([]));
    await waitFor(() => expect(hub.got('report').flatMap(({ events }) => events.map(({ reason }) => reason))).toContain('ScopeLeft'));
    const older = await repository.offer(before, null);
    expect(await refusalOf(before, () => hub.send(older))).toEqual(['not-a-descendant']);
    expect(await refusalOf(before, () => hub.send({ ...older, anchor: head }))).toEqual(['chain-incomplete']);
    const outsideOf = head;
    await goesOn({ 'policies/one/scope.yaml': scopeFile('one', inside) });
    expect(await names()).toEqual(['scoped-a']);
    const narrow = await repository.offer(outsideOf, null);
    expect(await refusalOf(outsideOf, () => hub.send(narrow))).toEqual(['not-a-descendant']);
    expect(await names()).toEqual(['scoped-a']);
  });

  it.each<[string, Record<string, string | undefined>]>([
    ['a scope in another case', { 'policies/one/scope.yaml': undefined, 'policies/one/Scope.yaml': scopeFile('one', outside) }],
    ['a scope with an unknown field', { 'policies/one/scope.yaml': `${scopeFile('one', outside)}  clusters: [us]\n` }],
    ['a registration with another ending', { 'clusters/eu.yaml': undefined, 'clusters/eu.yml': registration }],
  ])('cannot have a commit taken that an honest one would refuse: %s', async (_what, files) => {
    const next = aside(files);
    expect(await refusalOf(next, async () => hub.send(await offerOf(next)))).toEqual([undefined]);
    await goesOn();
  });
});

describe('invalid frames', () => {
  /** Checks that the agent closes the connection, reconnects, and has changed nothing. @returns the close code */
  const cutOffBy = async (attack: () => void): Promise<number> => {
    const before = await standing();
    const hellos = hub.got('hello').length;
    const closed = new Promise<number>((resolve) => hub.socket?.once('close', resolve));
    attack();
    const code = await closed;
    await greeted(hellos + 1);
    expect(await standing()).toEqual(before);
    await goesOn();
    return code;
  };
  const raw = (change: object): string =>
    JSON.stringify({ type: 'offer', revision: head, anchor: null, chain: [head], objects: [], ...change });

  it.each<[string, () => string | Buffer]>([
    ['an object of unknown type', () => raw({ objects: [{ id: head, type: 'tag', data: '' }] })],
    ['a chain without end', () => raw({ chain: Array.from({ length: 10_001 }, () => head) })],
    ['an unknown field', () => raw({ trust: 'me' })],
    ['another type of frame', () => JSON.stringify({ type: 'obey' })],
    ['text that is not JSON', () => '{'],
    ['nesting without end', () => '['.repeat(1_000_000)],
  ])('%s', async (_what, frame) => {
    expect(await cutOffBy(() => hub.sendRaw(frame()))).toBe(CLOSE_CODES.badFrame);
  });

  it.each<[string, () => string | Buffer, number]>([
    ['one of more bytes than are accepted', () => Buffer.alloc(MAX_HUB_FRAME_BYTES + 1, 'x'), 1009],
    ['one of 64 MiB', () => Buffer.alloc(64 * 1024 * 1024, 'x'), 1009],
    ['nesting, as much as fits', () => '['.repeat(MAX_HUB_FRAME_BYTES), CLOSE_CODES.badFrame],
    ['empty objects, as many as fit', () => `[${'{},'.repeat(MAX_HUB_FRAME_BYTES / 3 - 2)}{}]`, CLOSE_CODES.badFrame],
    ['50,000 objects that are none', () => raw({ objects: Array(50_000).fill({}) }), CLOSE_CODES.badFrame],
    [
      'an object that is not base64',
      () => raw({ objects: [{ id: head, type: 'blob', data: '?'.repeat(16_000_000) }] }),
      CLOSE_CODES.badFrame,
    ],
  ])('giant ones: %s', async (what, frame, code) => {
    expect(await cutOffBy(() => hub.sendRaw(frame()))).toBe(code);
    staysWithinChart(what);
  });

  it('giant ones: fragments without end', async () => {
    const fragments = (): void => {
      for (let count = 0; count < 10_000; count += 1) hub.socket?.send(' ', { binary: false, fin: false });
    };
    expect(await cutOffBy(fragments)).toBe(1008);
    staysWithinChart('fragments');
  });

  it('giant ones: offers of as many bytes as are accepted, faster than the agent judges them', async () => {
    const blobs = Array.from({ length: 16 }, () => objectOf('blob', randomBytes(700 * 1024)));
    const unsigned = aside(weaker, null);
    const offer = await offerOf(unsigned);
    const frame = encodeFrame({ ...offer, objects: [...offer.objects, ...blobs] });
    expect(frame.length).toBeGreaterThan(0.9 * MAX_HUB_FRAME_BYTES);
    await refusalOf(unsigned, () => {
      for (let count = 0; count < 16; count += 1) hub.sendRaw(frame);
    });
    // Once the flood has been read.
    await waitFor(() => expect(hub.socket?.bufferedAmount).toBe(0));
    await goesOn();
    staysWithinChart('a flood of offers');
  });
});

const objectOf = (type: WholeObject['type'], data: Buffer): WholeObject => ({
  id: objectId(type, data),
  type,
  data: data.toString('base64'),
});
/** Checks that the agent has not taken more than the chart gives it, ever. */
const staysWithinChart = (what: string): void => {
  const peak = memoryPeakMb();
  console.log(`${what}: the agent has taken at most ${Math.round(peak)} MiB`);
  expect(peak).toBeLessThan(CHART.memoryMb);
};

describe('what a hub makes itself, and no signer has seen', () => {
  const stranger = makeKey();
  const AUTHOR = 'Eve <eve@example.org> 1767433800 +0000';
  /** @param more further headers */
  const commitOf = (tree: string, parent: string, { message = '', more = '' } = {}): string =>
    `tree ${tree}\nparent ${parent}\nauthor ${AUTHOR}\ncommitter ${AUTHOR}\n${more}\n${message}\n`;
  const signed = (commit: string): string => {
    const signature = signSsh(stranger, Buffer.from(commit)).replaceAll('\n', '\n ');
    return commit.replace('\n\n', `\ngpgsig ${signature}\n\n`);
  };
  /** A root folder with the signers of the accepted commit, so that no commit with it need be signed. */
  const treeOf = (entries: number): WholeObject => {
    const sha = Buffer.alloc(20, 7);
    const files = Array.from({ length: entries }, (_, n) => Buffer.concat([Buffer.from(`100644 ${n.toString(36)}\0`), sha]));
    const signers = Buffer.from(repository.git('rev-parse', `${head}:signers`), 'hex');
    return objectOf('tree', Buffer.concat([...files, Buffer.from('40000 signers\0'), signers]));
  };
  /** A chain on top of what was accepted; the last commit is signed by a stranger, so that only the way to it could say that it may. */
  const chainOf = (length: number, tree: WholeObject, more?: string): Offer => {
    const commits: WholeObject[] = [];
    for (let count = 0; count < length; count += 1) {
      const text = commitOf(tree.id, commits.at(-1)?.id ?? head, { message: `${count}`, ...(more === undefined ? {} : { more }) });
      commits.push(objectOf('commit', Buffer.from(count === length - 1 ? signed(text) : text)));
    }
    const chain = commits.map(({ id }) => id);
    return { type: 'offer', revision: chain.at(-1) ?? '', anchor: head, chain, objects: [...commits, tree] };
  };

  it.each<[string, () => Offer, string]>([
    ['a root folder of 350,000 entries', () => chainOf(2, treeOf(350_000)), 'proof-too-large'],
    ['a commit of 12 MB of headers', () => chainOf(1, treeOf(1), 'a b\n'.repeat(3_000_000)), 'proof-too-large'],
    ['a commit of 12 MB in one header', () => chainOf(1, treeOf(1), `a ${'b'.repeat(12_000_000)}\n`), 'proof-too-large'],
    ['a commit in place of a root folder', () => chainOf(2, objectOf('commit', Buffer.from(commitOf(head, head)))), 'chain-incomplete'],
    ['100 commits with one folder of 32,000 entries', () => chainOf(100, treeOf(32_000)), 'signer-unknown'],
    ['10,000 commits', () => chainOf(10_000, treeOf(1)), 'signer-unknown'],
    ['60 commits of 100 KB of headers', () => chainOf(60, treeOf(1), 'a b\n'.repeat(25_000)), 'signer-unknown'],
    ['commits of more than 10 MiB together', () => chainOf(110, treeOf(1), 'a b\n'.repeat(25_000)), 'proof-too-large'],
  ])('is refused without a strain on the agent: %s', async (what, make, code) => {
    const offer = make();
    expect(await refusalOf(offer.revision, () => hub.send(offer))).toEqual([code]);
    await goesOn();
    staysWithinChart(what);
  });
});

describe('a hub that is slow on purpose', () => {
  let server: Server;
  const sockets: Socket[] = [];
  let dials = 0;
  afterAll(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });

  it('delays the agent, and changes nothing: the agent enforces, answers, and reconnects', async () => {
    const before = await standing();
    await agent.stop();
    server = createServer((socket) => {
      sockets.push(socket);
      dials += 1;
      socket.on('error', () => undefined);
      // One byte of the response every 100 ms.
      const answer = 'HTTP/1.1 101 Switching Protocols\r\n';
      let at = 0;
      const drip = setInterval(() => socket.write(answer[at++ % answer.length] ?? ''), 100);
      socket.on('close', () => clearInterval(drip));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as { port: number };
    agent = await startAgent(`ws://127.0.0.1:${port}`);
    await waitFor(() => expect(dials).toBeGreaterThanOrEqual(2));
    expect((await fetch(`${agent.url}/readyz`)).status).toBe(200);
    expect(await standing()).toEqual(before);
    await agent.stop();
    const hellos = hub.got('hello').length;
    agent = await startAgent(hub.url);
    await greeted(hellos + 1);
    expect(hub.got('hello').at(-1)).toMatchObject({ revision: head, anchor: head });
  });
});
