import type { ClusterView } from '@fso/shared/api';
import { shortRevision } from '@fso/shared/text';
import { until } from './programs.ts';
import type { World } from './world.ts';

/** Timeline of one commit; times in ms since `git push` returned. */
export interface Timeline {
  /** Time at which the hub had the proof of every cluster. */
  readonly provenMs: number;
  readonly text: string;
}

const STAGES = ['accepted', 'proven'] as const;
type Stage = (typeof STAGES)[number];

const reached = (cluster: ClusterView, revision: string): readonly Stage[] => {
  const seen: [Stage, string | null][] = [
    ['accepted', cluster.revision],
    ['proven', cluster.provenRevision],
  ];
  return seen.flatMap(([stage, at]) => (at === revision ? [stage] : []));
};

/** Creates a record of when each stage of each cluster was first seen. */
function createRecord(revision: string) {
  const times = new Map<string, Map<Stage, number>>();
  const timesOf = (cluster: string): Map<Stage, number> => {
    const known = times.get(cluster) ?? new Map<Stage, number>();
    times.set(cluster, known);
    return known;
  };
  return {
    see: (cluster: ClusterView, ms: number): void => {
      const known = timesOf(cluster.name);
      for (const stage of reached(cluster, revision)) known.set(stage, known.get(stage) ?? ms);
    },
    /** Time at which the last cluster had proven the commit; undefined if not all have. */
    provenMs: (clusters: readonly ClusterView[]): number | undefined => {
      const proven = clusters.map(({ name }) => times.get(name)?.get('proven'));
      return proven.length > 0 && proven.every((ms) => ms !== undefined) ? Math.max(...proven) : undefined;
    },
    lines: (): string[] =>
      [...times].map(([cluster, stages]) => {
        const text = STAGES.map((stage) => `${stage} ${Math.round(stages.get(stage) ?? 0)} ms`);
        return `${cluster.padEnd(6)}${text.join('  →  ')}`;
      }),
  };
}

/**
 * Waits until both locks enforce every policy. While Gatekeeper does not respond, a cluster proves
 * a commit by lock 1 alone.
 *
 * @throws Error with the policies of which a lock is not `Enforced`
 */
export async function bothLocks(world: World, signal: AbortSignal): Promise<void> {
  await until('both locks enforce every policy', () => areBothEnforced(world, signal), signal);
}

async function areBothEnforced(world: World, signal: AbortSignal): Promise<true> {
  world.assertRunning();
  const policies = await world.hub.policies({}, signal);
  const open = policies.flatMap(({ name, clusters }) =>
    clusters.flatMap(({ cluster, fresh, report }) => {
      const states = [report?.enforcement.admission.state, report?.enforcement.gatekeeper.state];
      const isEnforced = fresh && states.every((state) => state === 'Enforced');
      return isEnforced ? [] : [`${name} in ${cluster} (${fresh ? states.join(', ') : 'not connected'})`];
    }),
  );
  if (policies.length === 0 || open.length > 0) throw new Error(`not enforced by both locks: ${open.join('; ') || 'no policies'}`);
  return true;
}

/**
 * Makes a commit, and polls the hub for the progress of each cluster. The time of a stage is that
 * of the first response with it: never too early, and at most one request (a few milliseconds) too
 * late.
 *
 * @param commit commits and pushes; resolves with the commit id when `git push` has returned
 */
export async function measureCommit(world: World, commit: () => Promise<string>, signal: AbortSignal): Promise<Timeline> {
  const revision = await commit();
  const pushed = performance.now();
  const record = createRecord(revision);
  let fetchedMs: number | undefined;
  const look = async (): Promise<number | undefined> => {
    world.assertRunning();
    const [source, clusters] = await Promise.all([world.hub.source(signal), world.hub.clusters({}, signal)]);
    const ms = performance.now() - pushed;
    if (source.revision?.revision === revision) fetchedMs ??= ms;
    for (const cluster of clusters) record.see(cluster, ms);
    return record.provenMs(clusters);
  };
  const provenMs = await until(`every cluster proves ${shortRevision(revision)}`, look, signal);
  await bothLocks(world, signal);
  const head = `${shortRevision(revision)} fetched after ${Math.round(fetchedMs ?? 0)} ms, proven everywhere after ${Math.round(provenMs)} ms`;
  return { provenMs, text: [head, ...record.lines()].join('\n') };
}
