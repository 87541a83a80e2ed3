import type { Advance } from '@fso/shared/protocol';
import { describe, expect, it } from 'vitest';
import { policyFile } from '../harness/policy-files.ts';
import { waitFor } from '../harness/waiting.ts';
import { useMaliciousHub, weaker } from './malicious-hub-harness.ts';

/** A real agent whose wave waits, below a hub that offers what a stolen key has signed. */

const bench = useMaliciousHub();

const signers = (...names: ('ana' | 'bob')[]) => ({
  'signers/allowed_signers': names.map((name) => `${name}@example.org ${bench[name]?.line}\n`).join(''),
});

/** Newest commit that the agent reports to have verified; undefined: the one in force. */
const verified = () => {
  const facts = bench.hub.got('report').flatMap(({ cluster, revision }) => cluster ?? revision ?? []);
  return facts.at(-1)?.verifiedRevision;
};

/** Shows the agent a commit without its policies. */
const show = async (revision: string, anchor = bench.head): Promise<void> => {
  const { chain, objects } = await bench.repository.offer(revision, null, anchor);
  const frame: Advance = { type: 'advance', revision, anchor, chain, objects };
  bench.hub.send(frame);
};

const policies = async () => (await bench.standing()).policies;

const refusalOf = async (revision: string, anchor = bench.head) =>
  bench.refusalOf(revision, async () => bench.hub.send(await bench.repository.offer(revision, null, anchor)));

/** Commits that were made while Bob's key counted, and the one that takes it out. */
const commits = { byBob: '', byAna: '', removal: '', fork: '' };

/** Offers everything that is signed by the stolen key. */
const triesEverything = async (): Promise<void> => {
  expect(await refusalOf(commits.byBob)).toEqual(['signer-unknown']);
  expect(await refusalOf(commits.fork)).toEqual(['chain-incomplete']);
  bench.repository.git('reset', '--quiet', '--hard', commits.removal);
  bench.signAs(bench.bob);
  const late = bench.repository.commit(weaker);
  bench.signAs(bench.ana);
  bench.repository.git('reset', '--quiet', '--hard', commits.removal);
  expect(await refusalOf(late, commits.removal)).toEqual(['signer-unknown']);
};

describe('the signers of a commit whose policies wait', () => {
  it('count at once: a key that it takes out signs nothing any more', async () => {
    await bench.goesOn(signers('ana', 'bob'));
    // The control: until the removal is shown, Bob signs for the cluster.
    bench.signAs(bench.bob);
    await bench.goesOn();
    commits.fork = bench.aside(weaker, bench.bob);
    bench.signAs(bench.bob);
    commits.byBob = bench.repository.commit({ 'policies/more.yaml': policyFile('more', ['us-east-1']) });
    bench.signAs(bench.ana);
    commits.byAna = bench.repository.commit({ 'policies/more.yaml': policyFile('more', ['eu-west-1']) });
    commits.removal = bench.repository.commit(signers('ana'));
    const before = await policies();
    await show(commits.removal);
    await waitFor(() => expect(verified()).toBe(commits.removal));
    expect([await policies(), bench.hub.got('nack')]).toEqual([before, []]);
    await triesEverything();
  });

  it('count after a restart of the agent as well', async () => {
    const hellos = bench.hub.got('hello').length;
    await bench.agent.stop('SIGKILL');
    bench.agent = await bench.startAgent(bench.hub.url);
    await bench.greeted(hellos + 1);
    expect(bench.hub.got('hello').at(-1)).toMatchObject({ anchor: bench.head, verified: commits.removal });
    await triesEverything();
  });

  it('stay where a hub shows an older commit, another branch, or the commit of a stranger', async () => {
    await show(commits.byBob);
    const nacks = bench.hub.got('nack').length;
    const stranger = bench.aside(weaker, bench.eve);
    await show(stranger);
    await waitFor(() => expect(bench.hub.got('nack').slice(nacks)).toMatchObject([{ revision: stranger }]));
    expect(verified()).toBe(commits.removal);
  });

  it('let the commits through that lead to it, and it itself', async () => {
    bench.hub.send(await bench.offerOf(commits.byAna));
    await bench.acked(commits.byAna);
    expect(verified()).toBe(commits.removal);
    bench.hub.send(await bench.repository.offer(commits.removal, null, commits.removal));
    await bench.acked(commits.removal);
    await waitFor(() => expect(verified()).toBeUndefined());
  });
});
