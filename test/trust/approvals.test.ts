import { approvalTag, immediateTag, revocationTag } from '@fso/shared/rollout';
import { describe, expect, it } from 'vitest';
import { clusterFile, policyFile } from '../harness/policy-files.ts';
import { waitFor } from '../harness/waiting.ts';
import { useMaliciousHub } from './malicious-hub-harness.ts';
import type { SshKey } from './signing-bench.ts';

/** A real agent in a wave that needs approvals, below a hub that does what a test says. */

const bench = useMaliciousHub();

const strategy = (wave: string): string => `apiVersion: compliance.federated.io/v1
kind: RolloutStrategy
metadata: {name: careful}
spec:
  approvers: [bob@example.org, eve@example.org]
  waves: [{name: production, clusterSelector: {matchLabels: {stage: production}}${wave}}]
`;
const RULED = strategy(', approval: Required');
const FREE = strategy('');
const signers = (...names: ('ana' | 'bob' | 'eve')[]): string => names.map((name) => `${name}@example.org ${bench[name]?.line}\n`).join('');
const RULED_REPOSITORY = () => ({
  'clusters/eu.yaml': clusterFile('eu', ['eu-west-1', 'eu-central-1'], 'stage: production'),
  'rollout.yaml': RULED,
});
const POLICY = 'policies/finance.yaml';

/** Approval that the agent reports to wait for; undefined: it waits for none. */
const held = () => bench.hub.got('report').findLast(({ cluster }) => cluster)?.cluster?.held;

const tagBy = (key: SshKey | undefined, name: string, target: string): string => {
  const settings = ['-c', 'gpg.format=ssh', '-c', `user.signingKey=${key?.file}`];
  bench.repository.git(...settings, 'tag', '--force', '--sign', '--message', 'Approve', name, target);
  return Buffer.from(`${bench.repository.git('cat-file', 'tag', name)}\n`).toString('base64');
};
const approvalBy = (key: SshKey | undefined, revision: string, wave = 'production'): string =>
  tagBy(key, approvalTag(revision, wave), revision);
const sendTags = (revision: string, ...tags: string[]): void => bench.hub.send({ type: 'approvals', revision, tags });

const acks = (revision: string): number => bench.hub.got('ack').filter((ack) => ack.revision === revision).length;

/** Offers a commit that the agent holds back, and checks that nothing of it is in force. */
const offerHeld = async (revision: string): Promise<void> => {
  const before = await bench.standing();
  bench.hub.send(await bench.offerOf(revision));
  await waitFor(() => expect(held()?.revision).toBe(revision));
  expect(await bench.standing()).toEqual(before);
};

/** Sends tags that are not enough: the agent reports why, and changes nothing. */
const isNotEnough = async (revision: string, problem: string, ...tags: string[]): Promise<void> => {
  const before = await bench.standing();
  sendTags(revision, ...tags);
  await waitFor(() => expect(held()?.problems.join()).toContain(problem));
  expect(await bench.standing()).toEqual(before);
};

/** Sends the tags that let a commit go. */
const letGo = async (revision: string, ...tags: string[]): Promise<void> => {
  sendTags(revision, ...tags);
  await bench.acked(revision);
  bench.head = revision;
  await waitFor(() => expect(held()).toBeUndefined());
};

describe('a wave that needs an approval', () => {
  it('begins with the commit after the one that brings it', async () => {
    await bench.goesOn({ 'signers/allowed_signers': signers('ana', 'bob', 'eve'), ...RULED_REPOSITORY() });
    expect(held()).toBeUndefined();
  });

  it('holds a commit until another principal than its signer approves it', async () => {
    const next = bench.repository.commit({ [POLICY]: policyFile('finance', ['eu-central-1']) });
    await offerHeld(next);
    expect(held()).toMatchObject({ tag: approvalTag(next, 'production'), missing: 1, approvers: ['bob@example.org', 'eve@example.org'] });
    await isNotEnough(next, 'ana@example.org is no approver', approvalBy(bench.ana, next));
    await isNotEnough(next, 'names commit', tagBy(bench.bob, approvalTag(next, 'production'), bench.head));
    await isNotEnough(
      next,
      'not one of this object',
      Buffer.from(
        Buffer.from(approvalBy(bench.bob, next, 'canary'), 'base64')
          .toString('latin1')
          .replace('/canary', '/production'),
        'latin1',
      ).toString('base64'),
    );
    expect(bench.hub.got('nack')).toEqual([]);
    await letGo(next, approvalBy(bench.bob, next));
  });

  it('takes a commit that asks to skip waves once another principal than its signer has tagged it', async () => {
    bench.repository.commit({ [POLICY]: policyFile('finance', ['eu-west-1']) });
    bench.repository.git('commit', '--quiet', '--amend', '--no-edit', '--trailer', 'Rollout: immediate');
    const next = bench.repository.git('rev-parse', 'HEAD');
    const immediateBy = (key: SshKey | undefined, target = next): string => tagBy(key, immediateTag(next), target);
    await offerHeld(next);
    await isNotEnough(next, 'ana@example.org is no approver', immediateBy(bench.ana));
    await isNotEnough(next, 'names commit', immediateBy(bench.bob, bench.head));
    await isNotEnough(next, 'revoked by', immediateBy(bench.bob), tagBy(bench.eve, revocationTag(next, 'immediate'), next));
    await letGo(next, immediateBy(bench.bob));
    const plain = bench.repository.commit({ [POLICY]: policyFile('finance', ['eu-central-1']) });
    await offerHeld(plain);
    const tag = tagBy(bench.bob, immediateTag(plain), plain);
    await isNotEnough(plain, 'ana@example.org is no approver', tag, approvalBy(bench.ana, plain));
    await letGo(plain, approvalBy(bench.bob, plain));
  });

  it('takes what changes nothing for the cluster without one', async () => {
    const next = bench.repository.commit({ 'README.md': 'Policies' });
    bench.hub.send(await bench.offerOf(next));
    await bench.acked(next);
    bench.head = next;
  });

  it('does not let a commit choose another wave, other approvers, or no approval', async () => {
    const files = { 'clusters/eu.yaml': clusterFile('eu', ['eu-west-1', 'eu-central-1'], 'stage: test'), 'rollout.yaml': FREE };
    await offerHeld(bench.repository.commit(files));
    const dropped = bench.repository.commit({ 'rollout.yaml': undefined });
    await offerHeld(dropped);
    await letGo(dropped, approvalBy(bench.eve, dropped));
    await bench.goesOn(RULED_REPOSITORY());
  });

  it('has signers that do not wait: a key that is taken out neither approves nor signs', async () => {
    const next = bench.repository.commit({ 'signers/allowed_signers': signers('ana', 'eve'), [POLICY]: policyFile('finance') });
    await offerHeld(next);
    await isNotEnough(next, 'none of the allowed signers', approvalBy(bench.bob, next));
    bench.signAs(bench.bob);
    const byBob = bench.repository.commit({ 'policies/more.yaml': policyFile('more') });
    bench.signAs(bench.ana);
    expect(await bench.refusalOf(byBob, async () => bench.hub.send(await bench.offerOf(byBob)))).toEqual(['signer-unknown']);
    bench.repository.git('reset', '--quiet', '--hard', next);
    await offerHeld(next);
    await letGo(next, approvalBy(bench.eve, next));
  });

  it('keeps the rule over a restart of the agent, and sees that an approval is revoked', async () => {
    const next = bench.repository.commit({ [POLICY]: policyFile('finance', ['eu-central-1']) });
    await offerHeld(next);
    const hellos = bench.hub.got('hello').length;
    await bench.agent.stop('SIGKILL');
    bench.agent = await bench.startAgent(bench.hub.url);
    await bench.greeted(hellos + 1);
    const approval = approvalBy(bench.eve, next);
    const revocation = tagBy(bench.ana, revocationTag(next, 'production'), next);
    await waitFor(() => expect(held()).toBeUndefined());
    sendTags(next, approval, revocation);
    await offerHeld(next);
    expect(held()).toMatchObject({ missing: 0, problems: [expect.stringContaining('fso/revoke/')] });
    await letGo(next, approval);
    expect(acks(next)).toBe(1);
  });
});
