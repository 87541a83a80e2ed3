import type { ClusterSteps } from '@fso/shared/api';

/** Progress of a commit in one cluster. Pure. */

/** Positions of a cluster: the step that it waits at, or its final state. */
const POSITIONS = ['refused', 'offer', 'accept', 'write', 'prove', 'proven'] as const;
/** Step that a cluster waits at, or its final state. */
export type Position = (typeof POSITIONS)[number];

const positionOf = ({ offered, accepted, written, proven, refused }: ClusterSteps): Position => {
  if (refused !== null) return 'refused';
  if (proven !== null) return 'proven';
  if (written !== null) return 'prove';
  if (accepted !== null) return 'write';
  return offered === null ? 'offer' : 'accept';
};

const STAGES = ['offered', 'accepted', 'written', 'proven'] as const;
/** Step of a commit that a cluster has completed. */
export type Stage = (typeof STAGES)[number];

/** Progress of a commit in one cluster, as durations. */
export interface ClusterProgress {
  readonly cluster: string;
  readonly place: Position;
  /** Durations of the legs in ms; null if not reached yet, or if the start is unknown. */
  readonly legs: Readonly<Record<Stage, number | null>>;
  /** Milliseconds from the notice of the commit to the last step reached; null if none was. */
  readonly totalMs: number | null;
  readonly refused: ClusterSteps['refused'];
}

/** @param noticed time at which the hub noticed the commit, RFC 3339 */
export const measureProgress = (steps: ClusterSteps, noticed: string): ClusterProgress => {
  const start = Date.parse(noticed);
  let before = start;
  const legs: Record<Stage, number | null> = { offered: null, accepted: null, written: null, proven: null };
  for (const leg of STAGES) {
    const time = steps[leg];
    if (time === null) continue;
    const at = Date.parse(time);
    legs[leg] = Math.max(0, at - before);
    before = Math.max(before, at);
  }
  const end = steps.refused === null ? before : Math.max(before, Date.parse(steps.refused.time));
  const isOnWay = STAGES.some((leg) => steps[leg] !== null) || steps.refused !== null;
  return { cluster: steps.cluster, place: positionOf(steps), legs, totalMs: isOnWay ? end - start : null, refused: steps.refused };
};

type Key = (way: ClusterProgress) => number | string;

/** Sort value of a stage that is not reached: the slowest. */
const NEVER = Number.MAX_SAFE_INTEGER;
const byStage =
  (leg: Stage): Key =>
  ({ legs }) =>
    legs[leg] ?? NEVER;

const KEYS: Readonly<Record<string, Key>> = {
  cluster: ({ cluster }) => cluster,
  at: ({ place }) => POSITIONS.indexOf(place),
  offered: byStage('offered'),
  accepted: byStage('accepted'),
  written: byStage('written'),
  proven: byStage('proven'),
  // Clusters that are not done come before the slowest of the others.
  total: ({ place, totalMs }) => (place === 'proven' ? (totalMs ?? NEVER) : NEVER - POSITIONS.indexOf(place)),
};

const compare = (a: number | string, b: number | string): number =>
  typeof a === 'number' && typeof b === 'number' ? a - b : String(a).localeCompare(String(b));

/** @param sort a key, with `-` before it for descending order; equal values are sorted by name */
export const sortProgress = (ways: readonly ClusterProgress[], sort: string): ClusterProgress[] => {
  const key = KEYS[sort.replace(/^-/, '')] ?? KEYS['total'];
  const sign = sort.startsWith('-') ? -1 : 1;
  if (key === undefined) return [...ways];
  return [...ways].sort((a, b) => sign * compare(key(a), key(b)) || a.cluster.localeCompare(b.cluster));
};

interface ProgressFilter {
  readonly q?: string | undefined;
  readonly at?: Position | undefined;
}

/** Keeps the clusters at a position whose names contain a text. */
export const filterProgress = (ways: readonly ClusterProgress[], { q, at }: ProgressFilter): ClusterProgress[] =>
  ways.filter(({ cluster, place }) => (at === undefined || place === at) && cluster.includes(q?.toLowerCase() ?? ''));

/** Counts the clusters at each position; positions without a cluster are left out. */
export const countPositions = (ways: readonly ClusterProgress[]): { readonly place: Position; readonly count: number }[] =>
  POSITIONS.map((place) => ({ place, count: ways.filter((way) => way.place === place).length })).filter(({ count }) => count > 0);
