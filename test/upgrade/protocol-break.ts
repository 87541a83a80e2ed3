import type { ClusterHistoryPage, ClusterView, EnrolmentView, PolicyStateView } from '@fso/shared/api';
import { messageOf } from '@fso/shared/runtime';
import { until } from '../../clusters/demo/programs.ts';
import { differencesOf } from './differences.ts';
import type { UpgradeHub } from './upgrade-hub.ts';
import type { Version } from './versions.ts';
import type { World } from './world.ts';

/** A policy of every cluster. */
const POLICY = 'finance';

type Enrolment = Pick<EnrolmentView, 'cluster' | 'state' | 'generation' | 'enrolled'>;

/** State from before a break of the protocol. */
export interface BreakRecord {
  /** RFC 3339: a time when every policy was in force. */
  readonly at: string;
  readonly enrolments: readonly Enrolment[];
  /** Path of the backup that the old version makes. */
  readonly backup: string;
}

const enrolmentsOf = async (hub: UpgradeHub, signal: AbortSignal): Promise<readonly Enrolment[]> =>
  ((await hub.list('enrolments', signal)) as EnrolmentView[]).map(({ cluster, state, generation, enrolled }) => ({
    cluster,
    state,
    generation,
    enrolled,
  }));

export const recordBefore = async ({ hub, folder }: World, signal: AbortSignal): Promise<BreakRecord> => {
  const at = new Date().toISOString();
  // A connection that ends is dated at its last message: nothing is known of what came after it.
  const areHeard = async (): Promise<true | undefined> => {
    const found = (await hub.list('clusters', signal)) as Pick<ClusterView, 'lastSeen'>[];
    return found.every(({ lastSeen }) => lastSeen !== null && lastSeen > at) || undefined;
  };
  await until('the hub has heard each agent once more', areHeard, signal);
  return { at, enrolments: await enrolmentsOf(hub, signal), backup: folder('before.jsonl.gz') };
};

/**
 * Checks the hub's history of a time before the break: it must show the state of that time, or that
 * it is unknown where the history marks the gap.
 */
const historyProblem = async (hub: UpgradeHub, cluster: string, at: string, signal: AbortSignal): Promise<string | undefined> => {
  const { proven, reason } = (await hub.read(`clusters/${cluster}/state?policy=${POLICY}&at=${at}`, signal)) as PolicyStateView;
  if (proven === 'yes') return undefined;
  const { items } = (await hub.read(`clusters/${cluster}/history?policy=${POLICY}&limit=500`, signal)) as ClusterHistoryPage;
  const isMarked = items.some(({ kind, time }) => kind === 'forgotten' && time >= at);
  return proven === 'unknown' && isMarked ? undefined : `${POLICY} in ${cluster} at ${at}: ${proven}: ${reason}`;
};

const isThere = (problem: string | undefined): problem is string => problem !== undefined;

/** A hub of the new version on the backup of the old one. */
const restoreProblems = async (world: World, backup: string, next: Version, signal: AbortSignal): Promise<readonly string[]> => {
  const restored = await world.hub.withoutLedger(world.folder('restored'));
  await restored.command(next, ['restore', backup]);
  await restored.start(next, signal);
  try {
    await restored.command(next, ['audit', 'verify']);
    const known = new Set(((await restored.list('clusters', signal)) as { readonly name: string }[]).map(({ name }) => name));
    return world.clusters.flatMap(({ name }) => (known.has(name) ? [] : [`the restored hub does not know ${name}`]));
  } finally {
    await restored.stop();
  }
};

/** @returns what does not hold once hub and agents speak the new protocol */
export const checkAfter = async (world: World, record: BreakRecord, next: Version, signal: AbortSignal): Promise<readonly string[]> => {
  const { hub, clusters } = world;
  const checks: readonly (() => Promise<readonly string[]>)[] = [
    async () => differencesOf(record.enrolments, await enrolmentsOf(hub, signal)).map((change) => `an agent had to enrol again: ${change}`),
    async () => (await Promise.all(clusters.map(({ name }) => historyProblem(hub, name, record.at, signal)))).filter(isThere),
    async () => {
      await hub.command(next, ['audit', 'verify']);
      return [];
    },
    () => restoreProblems(world, record.backup, next, signal),
  ];
  const problems: string[] = [];
  for (const check of checks)
    problems.push(
      ...(await check().catch((error: unknown) => {
        signal.throwIfAborted();
        return [messageOf(error)];
      })),
    );
  return problems;
};
