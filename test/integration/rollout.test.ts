import { afterAll, beforeAll, expect, it } from 'vitest';
import type { RunningHub } from '../../hub/hub.ts';
import { clusterReport } from '../../hub/serve/testing/fleet.ts';
import { accepted, type HubHarness, openHubHarness, takeOffer } from '../harness/hub-harness.ts';
import { basicRepository, clusterFile, policyFile } from '../harness/policy-files.ts';
import type { StreamClient } from '../harness/stream-client.ts';
import { eventually } from '../harness/waiting.ts';

/** Waves over real streams and a ledger on disk; agents by hand. */

let bench: HubHarness;

beforeAll(async () => {
  bench = await openHubHarness();
});
afterAll(() => bench.close());

const STRATEGY = `apiVersion: compliance.federated.io/v1
kind: RolloutStrategy
metadata: {name: careful}
spec: {waves: [{name: canary, clusterSelector: {matchLabels: {stage: canary}}}]}
`;
const REPOSITORY = {
  ...basicRepository(),
  'clusters/eu.yaml': clusterFile('eu', ['eu-west-1', 'eu-central-1'], 'stage: canary'),
  'rollout.yaml': STRATEGY,
};

/** Reports that every lock has proven a commit. */
const prove = async (stream: StreamClient, hub: RunningHub, cluster: string, revision: string): Promise<void> => {
  stream.send({ type: 'report', seq: 1, full: true, cluster: clusterReport(revision), policies: [], removed: [], events: [] });
  await eventually(async () => (await hub.ledger.cluster(cluster))?.report?.provenRevision === revision);
};

/** Lets a hub fetch a commit and plan its rollout. */
const release = async (hub: RunningHub, revision: string): Promise<void> => {
  hub.source.hint();
  await accepted(hub, revision);
  await eventually(async () => (await hub.ledger.desired())?.revision === revision);
};

const heldIn = async (hub: RunningHub) => [...((await hub.ledger.desired())?.held?.keys() ?? [])];

it('offers a commit to a wave once the one before has proven it, over a restart as well', async () => {
  const first = await bench.repository.commit(REPOSITORY, 'first');
  const hub = await bench.startHub();
  const [eu, us] = [await bench.agent(hub, 'eu'), await bench.agent(hub, 'us')];
  for (const [stream, cluster] of [
    [eu, 'eu'],
    [us, 'us'],
  ] as const) {
    expect((await takeOffer(stream, hub, cluster)).revision).toBe(first);
    await prove(stream, hub, cluster, first);
  }
  await eventually(() => hub.ledger.records.get('rollout', 'run') !== undefined);

  const second = await bench.repository.commit({ 'policies/finance.yaml': policyFile('finance', ['eu-central-1']) }, 'second');
  await release(hub, second);
  expect((await takeOffer(eu, hub, 'eu')).revision).toBe(second);
  // The cluster that waits is shown who may sign now, and gets no policy.
  const { chain, objects } = await us.next('advance');
  const tree = await bench.repository.git('rev-parse', `${second}^{tree}`);
  expect([chain, objects.map(({ id }) => id)]).toEqual([[second], [second, tree]]);
  expect([await heldIn(hub), us.frames.filter(({ type }) => type === 'offer')]).toEqual([
    ['us'],
    [expect.objectContaining({ revision: first })],
  ]);
  await hub.stop();

  const next = await bench.startHub();
  await release(next, second);
  const [canary, other] = [await bench.agent(next, 'eu'), await bench.agent(next, 'us')];
  // A new agent of a cluster that waits gets what its wave has.
  expect((await takeOffer(canary, next, 'eu')).revision).toBe(second);
  expect((await other.next('offer')).revision).toBe(first);
  expect(await heldIn(next)).toEqual(['us']);
  await prove(canary, next, 'eu', second);
  expect((await takeOffer(other, next, 'us')).revision).toBe(second);
  expect(await heldIn(next)).toEqual([]);
});

it('lets a revert through at once', async () => {
  const hub = await bench.startHub({ config: { dataDir: `${bench.folder}/other` } });
  const streams = [await bench.agent(hub, 'eu'), await bench.agent(hub, 'us')] as const;
  const [eu, us] = streams;
  await takeOffer(eu, hub, 'eu');
  await takeOffer(us, hub, 'us');
  await eventually(() => hub.ledger.records.get('rollout', 'run') !== undefined);
  const before = policyFile('finance', ['eu-central-1']);
  const broken = await bench.repository.commit({ 'policies/finance.yaml': policyFile('finance', ['eu-west-1', 'eu-central-1']) }, 'broken');
  await release(hub, broken);
  await takeOffer(eu, hub, 'eu');
  const reverted = await bench.repository.commit({ 'policies/finance.yaml': before }, 'reverted');
  await release(hub, reverted);
  for (const stream of streams) expect((await stream.next('offer')).revision).toBe(reverted);
});

it('offers a cluster that leaves and joins again nothing older than it has, over a restart as well', async () => {
  const dataDir = `${bench.folder}/strays`;
  const hub = await bench.startHub({ config: { dataDir } });
  const [eu, stray] = [await bench.agent(hub, 'eu'), await bench.agent(hub, 'stray')];
  const { revision: base } = await takeOffer(eu, hub, 'eu');
  await prove(eu, hub, 'eu', base);
  await takeOffer(stray, hub, 'stray');
  await eventually(() => hub.ledger.records.get('rollout', 'run') !== undefined);

  // The first wave finishes with it; the cluster us, which is away, has yet to get the commit.
  const joined = { 'clusters/stray.yaml': clusterFile('stray', ['eu-west-1'], 'stage: canary') };
  const registered = await bench.repository.commit({ ...joined, 'policies/finance.yaml': policyFile('finance', ['eu-west-1']) }, 'joins');
  await release(hub, registered);
  for (const [stream, cluster] of [
    [eu, 'eu'],
    [stray, 'stray'],
  ] as const) {
    expect((await takeOffer(stream, hub, cluster)).revision).toBe(registered);
    await prove(stream, hub, cluster, registered);
  }
  await eventually(async () => !(await heldIn(hub)).includes('us'));
  const left = await bench.repository.commit({ 'clusters/stray.yaml': null }, 'leaves');
  await release(hub, left);
  expect((await takeOffer(stray, hub, 'stray')).revision).toBe(left);

  // It joins the last wave, which has finished an older commit than it has.
  const again = {
    'clusters/stray.yaml': clusterFile('stray', ['eu-west-1']),
    'policies/finance.yaml': policyFile('finance', ['eu-west-1', 'eu-central-1']),
  };
  const newest = await bench.repository.commit(again, 'joins again');
  await release(hub, newest);
  const heldAt = async (running: RunningHub) => (await running.ledger.desired())?.held?.get('stray')?.revision;
  expect(await heldAt(hub)).toBe(left);
  await hub.stop();

  const next = await bench.startHub({ config: { dataDir } });
  const [canary, other] = [await bench.agent(next, 'eu'), await bench.agent(next, 'stray', { revision: left, anchor: left })];
  await release(next, newest);
  expect(await heldAt(next)).toBe(left);
  expect((await takeOffer(canary, next, 'eu')).revision).toBe(newest);
  await prove(canary, next, 'eu', newest);
  expect((await takeOffer(other, next, 'stray')).revision).toBe(newest);
});
