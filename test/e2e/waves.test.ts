import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { openRealWorld, type RealWorld } from '../browser/harness/real-world.ts';
import { processesOf } from '../harness/left-processes.ts';
import { CANARY_STRATEGY } from '../harness/policy-files.ts';
import { eventually } from '../harness/waiting.ts';
import { policy, runCommand } from './command.ts';

/** A rollout over three real clusters: a commit that breaks workloads stops in the first wave. */

let world: RealWorld;

const CLUSTERS = ['apac', 'eu', 'us'] as const;
/** A policy of all clusters. */
const PATH = 'policies/customer-data.yaml';
const REGIONS = { apac: 'ap-southeast-1', eu: 'eu-central-1', us: 'us-east-1' } as const;

const registration = (name: (typeof CLUSTERS)[number], wave: string): string => {
  const { labels = {}, regions } = registered.get(name) ?? expect.fail(`no cluster ${name}`);
  const metadata = JSON.stringify({ name, labels: { ...labels, wave } });
  return `apiVersion: compliance.federated.io/v1\nkind: ManagedCluster\nmetadata: ${metadata}\nspec: ${JSON.stringify({ regions })}\n`;
};

const before = readFileSync(join(import.meta.dirname, '../../clusters/samples', PATH), 'utf8');

let registered: ReadonlyMap<string, { readonly labels?: Record<string, string>; readonly regions: readonly string[] }>;

/** Commits that the clusters have proven, by the names of the clusters. */
const provenIn = async (): Promise<Record<string, string | null>> =>
  Object.fromEntries((await world.hub.clusters()).map(({ name, provenRevision }) => [name, provenRevision]));

const provenEverywhere = (revision: string) =>
  eventually(async () => Object.values(await provenIn()).every((proven) => proven === revision));

beforeAll(async () => {
  world = await openRealWorld();
  registered = new Map((await world.hub.clusters()).map((cluster) => [cluster.name, cluster]));
});

afterAll(async () => {
  await world?.stop();
  expect(processesOf(world.folder)).toEqual([]);
});

it('halts a commit that breaks workloads in the first wave, and lets its revert through at once', async () => {
  const files = Object.fromEntries(
    CLUSTERS.map((name, at) => [`clusters/${name}.yaml`, registration(name, ['canary', 'second', 'third'][at] ?? '')]),
  );
  // A pod of each cluster that the next commit leaves outside.
  for (const name of CLUSTERS) await world.createPod(name, { namespace: 'customer-data', name: 'settlement' }, REGIONS[name]);
  const careful = await world.repository.commit({ ...files, 'rollout.yaml': CANARY_STRATEGY }, 'Go step by step');
  await provenEverywhere(careful);

  const broken = await world.repository.commit({ [PATH]: policy('customer-data', 'customer-data', ['eu-west-1']) }, 'Ireland only');
  await eventually(async () => (await world.hub.rollout()).state === 'Halted');
  const { halted, waves } = await world.hub.rollout();
  expect(halted).toMatchObject({ wave: 'canary', gate: 'NewViolations', clusters: ['apac'] });
  expect(waves.map(({ name, state }) => [name, state])).toEqual([
    ['canary', 'Halted'],
    ['second', 'Waiting'],
    ['(others)', 'Waiting'],
  ]);
  await eventually(async () => (await world.hub.clusters()).slice(1).every(({ report }) => report?.verifiedRevision === broken));
  const clusters = await world.hub.clusters();
  expect(clusters.map(({ name, revision, inSync, waitsFor }) => [name, revision, inSync, waitsFor?.wave])).toEqual([
    ['apac', broken, true, undefined],
    ['eu', careful, true, 'second'],
    ['us', careful, true, '(others)'],
  ]);
  const { code, out } = await runCommand(world, ['rollout', 'status']);
  expect([code, out]).toEqual([1, expect.stringContaining('git revert')]);
  await eventually(async () => (await world.hub.alerts()).some(({ name }) => name === 'RolloutHalted'));

  const reverted = await world.repository.commit({ [PATH]: before }, 'Revert "Ireland only"');
  await provenEverywhere(reverted);
  await eventually(async () => (await world.hub.clusters()).every(({ report }) => report?.verifiedRevision === undefined));
  expect(await world.hub.rollout()).toMatchObject({ state: 'Finished', base: reverted, halted: null });
});
