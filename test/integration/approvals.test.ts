import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { approvalTag, immediateTag } from '@fso/shared/rollout';
import { parseSigners } from '@fso/shared/signatures';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { makeSigningKey } from '../../clusters/demo/git-repository.ts';
import { createHubClient } from '../../hub/cli/client/api-client.ts';
import type { RunningHub } from '../../hub/hub.ts';
import { clusterReport } from '../../hub/serve/testing/fleet.ts';
import { accepted, type HubHarness, openHubHarness, takeOffer } from '../harness/hub-harness.ts';
import { basicRepository, clusterFile, policyFile } from '../harness/policy-files.ts';
import type { StreamClient } from '../harness/stream-client.ts';
import { eventually } from '../harness/waiting.ts';

/** Tags of a real Git server on their way to agents, which are driven by hand. */

let bench: HubHarness;
beforeAll(async () => {
  bench = await openHubHarness();
});
afterAll(() => bench.close());

/** Reports that a commit waits for an approval. */
const hold = async (
  stream: StreamClient,
  hub: RunningHub,
  { cluster, before, revision, seq }: { cluster: string; before: string; revision: string; seq: number },
): Promise<void> => {
  const held = { revision, tag: approvalTag(revision, 'production'), missing: 1, approvers: ['bob@example.org'], problems: [] };
  stream.send({ type: 'report', seq, full: true, cluster: { ...clusterReport(before), held }, policies: [], removed: [], events: [] });
  await eventually(async () => (await hub.ledger.cluster(cluster))?.report?.held?.revision === revision);
};

const tag = async (name: string, revision: string, message = 'Approve'): Promise<string> => {
  await bench.repository.git('tag', '--force', '--annotate', '--message', message, name, revision);
  await bench.repository.git('push', '--quiet', '--force', 'origin', `refs/tags/${name}`);
  return bench.repository.git('cat-file', 'tag', name);
};
const textsOf = ({ tags }: { tags: readonly string[] }): string[] => tags.map((each) => Buffer.from(each, 'base64').toString().trim());

it('passes tags about the newest commit on to agents that wait for them, over restarts', async () => {
  const first = await bench.repository.commit(basicRepository(), 'first');
  const hub = await bench.startHub();
  const eu = await bench.agent(hub, 'eu');
  expect((await takeOffer(eu, hub, 'eu')).revision).toBe(first);
  const second = await bench.repository.commit({ 'policies/finance.yaml': policyFile('finance', ['eu-central-1']) }, 'second');
  const name = approvalTag(second, 'production');
  // Without an agent that waits nobody looks for tags.
  const early = await tag(name, second);
  hub.source.hint();
  await accepted(hub, second);
  await eu.next('offer');
  await hold(eu, hub, { cluster: 'eu', before: first, revision: second, seq: 1 });
  expect([textsOf(await eu.next('approvals')), hub.source.approvals.of(first)]).toEqual([[early], undefined]);

  // Whatever is pushed under such names: what is no tag, or too large, is left out.
  await bench.repository.git('push', '--quiet', 'origin', `HEAD:refs/tags/${name}+light`);
  await tag(`${name}+large`, second, 'x'.repeat(20_000));
  await tag(approvalTag(first, 'production'), first);
  const late = await tag(`${name}+bob`, second);
  hub.source.hint();
  expect(textsOf(await eu.next('approvals'))).toEqual([early, late]);
  await hub.stop();

  const next = await bench.startHub();
  const again = await bench.agent(next, 'eu');
  expect(textsOf(await again.next('approvals'))).toEqual([early, late]);
  // An agent that is offered the commit later gets them with it.
  const us = await bench.agent(next, 'us');
  expect(textsOf(await us.next('approvals'))).toEqual([early, late]);
  expect((await us.next('offer')).revision).toBe(second);
  expect(us.frames.map(({ type }) => type).filter((type) => type === 'approvals' || type === 'offer')).toEqual(['approvals', 'offer']);
});

const STRATEGY = `apiVersion: compliance.federated.io/v1
kind: RolloutStrategy
metadata: {name: careful}
spec:
  approvers: [bob@example.org]
  waves: [{name: canary, clusterSelector: {matchLabels: {wave: canary}}, soak: 1h}]
`;

/** Makes keys that sign, by their principals. */
const makeKeys = async (folder: string, names: readonly string[]) =>
  Promise.all(
    names.map(async (name) => {
      const key = await makeSigningKey(join(folder, name));
      if (key === undefined) throw new Error('there is no ssh-keygen');
      return { file: key.file, line: `${name} ${await readFile(`${key.file}.pub`, 'utf8')}` };
    }),
  );

/** Opens a repository whose commits Ana signs, and what a hub needs to verify them. */
const openSigned = async () => {
  const harness = await openHubHarness();
  const [ana, bob] = await makeKeys(harness.folder, ['ana@example.org', 'bob@example.org']);
  if (ana === undefined || bob === undefined) throw new Error('there are no keys');
  await harness.repository.signAs(ana);
  const trust = { mode: 'strict' as const, signers: parseSigners({ allowedSigners: `${ana.line}${bob.line}` }) };
  return { ...harness, ana, bob, trust, [Symbol.asyncDispose]: () => harness.close() };
};

it('gives a commit to every wave at once by the trailer of its signer and the tag of another principal', async () => {
  await using signed = await openSigned();
  const { repository, startHub, agent, bob, trust } = signed;
  const canary = clusterFile('eu', ['eu-west-1', 'eu-central-1'], 'wave: canary');
  await repository.commit({ ...basicRepository(), 'clusters/eu.yaml': canary, 'rollout.yaml': STRATEGY }, 'first');
  const hub = await startHub({ gitConfig: { trust } });
  const [eu, us] = [await agent(hub, 'eu'), await agent(hub, 'us')];
  await takeOffer(eu, hub, 'eu');
  await takeOffer(us, hub, 'us');
  await eventually(() => hub.ledger.records.get('rollout', 'run') !== undefined);
  const narrow = { 'policies/finance.yaml': policyFile('finance', ['eu-central-1']) };
  const second = await repository.commit(narrow, 'Stop it\n\nRollout: immediate');
  hub.source.hint();
  expect((await eu.next('offer')).revision).toBe(second);
  const name = immediateTag(second);
  const tagBy = async (...settings: string[]): Promise<void> => {
    await repository.git(...settings, 'tag', '--force', '--sign', '--message', 'Now', name, second);
    await repository.git('push', '--quiet', '--force', 'origin', `refs/tags/${name}`);
    hub.source.hint();
  };
  // The signer alone, whose tag the hub has seen by the time that it passes it on.
  await tagBy();
  expect((await eu.next('approvals')).revision).toBe(second);
  expect(us.frames.filter(({ type }) => type === 'offer')).toHaveLength(1);
  expect(await hub.ledger.audit.list({ action: 'rollout.immediate', limit: 1 })).toEqual([]);
  await tagBy('-c', `user.signingKey=${bob.file}`);
  expect((await us.next('offer')).revision).toBe(second);
  const [entry] = await hub.ledger.audit.list({ action: 'rollout.immediate', limit: 9 });
  expect(entry).toMatchObject({ actor: { id: expect.stringMatching(/^ana@example.org /) }, subject: second });
  expect(entry?.detail).toMatchObject({ taggedBy: [expect.stringMatching(/^bob@example.org /)] });
});

const API_TOKEN = 'api-token-0123456789';

it('lets an unseen wave continue by the tag of another principal alone, and keeps that over a restart', async () => {
  await using signed = await openSigned();
  const { repository, startHub, agent, ana, bob, trust } = signed;
  const canary = clusterFile('eu', ['eu-west-1', 'eu-central-1'], 'wave: canary');
  const strategy = STRATEGY.replace('soak: 1h', 'soak: 1s').replace('  waves:', '  unreachableAfter: 1s\n  waves:');
  await repository.commit({ ...basicRepository(), 'clusters/eu.yaml': canary, 'rollout.yaml': strategy }, 'first');
  const start = () => startHub({ gitConfig: { trust }, config: { apiToken: API_TOKEN } });
  const hub = await start();
  // The canary never connects.
  const us = await agent(hub, 'us');
  await takeOffer(us, hub, 'us');
  await eventually(() => hub.ledger.records.get('rollout', 'run') !== undefined);
  const second = await repository.commit({ 'policies/finance.yaml': policyFile('finance', ['eu-central-1']) }, 'second');
  hub.source.hint();
  const client = createHubClient({ server: hub.url, token: API_TOKEN });
  const problemsOf = async () => (await client.rollout()).halted?.approval?.problems.join('; ');
  const halted = await eventually(async () => (await client.rollout()).halted);
  await eventually(async () => (await problemsOf()) === '');
  const name = approvalTag(second, 'canary');
  const awaited = { tag: name, missing: 1, approvers: ['bob@example.org'] };
  expect((await client.rollout()).halted).toMatchObject({ gate: 'NothingLookedAt', approval: awaited });
  await expect(client.resumeRollout({ halt: halted.since })).rejects.toThrow(/`fso rollout approve canary`.* fso\/approve\//);
  const tagBy = async ({ file }: { readonly file: string }, tagged: string): Promise<void> => {
    await repository.git('-c', `user.signingKey=${file}`, 'tag', '--force', '--sign', '--message', 'Approve', tagged, second);
    await repository.git('push', '--quiet', '--force', 'origin', `refs/tags/${tagged}`);
    hub.source.hint();
  };
  await tagBy(bob, approvalTag(second, 'production'));
  await tagBy(ana, name);
  await eventually(async () => (await problemsOf())?.includes('ana@example.org is no approver'));
  expect((await client.rollout()).halted?.approval).toMatchObject(awaited);
  expect(us.frames.filter(({ type }) => type === 'offer')).toHaveLength(1);
  await tagBy(bob, `${name}+bob`);
  expect((await us.next('offer')).revision).toBe(second);
  const [entry] = await hub.ledger.audit.list({ action: 'rollout.approve', limit: 9 });
  expect(entry).toMatchObject({ actor: { id: expect.stringMatching(/^bob@example.org /) }, subject: second, detail: { wave: 'canary' } });
  await hub.stop();
  await repository.git('push', '--quiet', 'origin', `:refs/tags/${name}+bob`);
  const next = await start();
  const again = await agent(next, 'us');
  expect((await again.next('offer')).revision).toBe(second);
  expect((await createHubClient({ server: next.url, token: API_TOKEN }).rollout()).halted).toBeNull();
});
