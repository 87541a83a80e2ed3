import type { ClusterSteps } from '@fso/shared/api';

/** The way of a commit through one cluster. Pure. */

/** Where a cluster stands: the step that it waits at, or how it ended. */
const PLACES = ['refused', 'offer', 'accept', 'write', 'prove', 'proven'] as const;
export type Place = (typeof PLACES)[number];

const placeOf = ({ offered, accepted, written, proven, refused }: ClusterSteps): Place => {
  if (refused !== null) return 'refused';
  if (proven !== null) return 'proven';
  if (written !== null) return 'prove';
  if (accepted !== null) return 'write';
  return offered === null ? 'offer' : 'accept';
};

const LEGS = ['offered', 'accepted', 'written', 'proven'] as const;
export type Leg = (typeof LEGS)[number];

export interface Way {
  readonly cluster: string;
  readonly place: Place;
  /** How long each leg took, in ms; null: not yet, or its beginning is not known. */
  readonly legs: Readonly<Record<Leg, number | null>>;
  /** ms from when the commit was noticed to the last step that was reached; null: none was. */
  readonly totalMs: number | null;
  readonly refused: ClusterSteps['refused'];
}

/** @param noticed RFC 3339: when the commit was */
export const wayOf = (steps: ClusterSteps, noticed: string): Way => {
  const start = Date.parse(noticed);
  let before = start;
  const legs: Record<Leg, number | null> = { offered: null, accepted: null, written: null, proven: null };
  for (const leg of LEGS) {
    const time = steps[leg];
    if (time === null) continue;
    const at = Date.parse(time);
    legs[leg] = Math.max(0, at - before);
    before = Math.max(before, at);
  }
  const end = steps.refused === null ? before : Math.max(before, Date.parse(steps.refused.time));
  const isOnWay = LEGS.some((leg) => steps[leg] !== null) || steps.refused !== null;
  return { cluster: steps.cluster, place: placeOf(steps), legs, totalMs: isOnWay ? end - start : null, refused: steps.refused };
};

type Key = (way: Way) => number | string;

/** What is not there yet takes the longest. */
const NEVER = Number.MAX_SAFE_INTEGER;
const byLeg =
  (leg: Leg): Key =>
  ({ legs }) =>
    legs[leg] ?? NEVER;

const KEYS: Readonly<Record<string, Key>> = {
  cluster: ({ cluster }) => cluster,
  at: ({ place }) => PLACES.indexOf(place),
  offered: byLeg('offered'),
  accepted: byLeg('accepted'),
  written: byLeg('written'),
  proven: byLeg('proven'),
  // Those that are not through stand before the slowest of those that are.
  total: ({ place, totalMs }) => (place === 'proven' ? (totalMs ?? NEVER) : NEVER - PLACES.indexOf(place)),
};

const compare = (a: number | string, b: number | string): number =>
  typeof a === 'number' && typeof b === 'number' ? a - b : String(a).localeCompare(String(b));

/** @param sort a key, with `-` before it for descending; within equal values by name */
export const sortWays = (ways: readonly Way[], sort: string): Way[] => {
  const key = KEYS[sort.replace(/^-/, '')] ?? KEYS['total'];
  const sign = sort.startsWith('-') ? -1 : 1;
  if (key === undefined) return [...ways];
  return [...ways].sort((a, b) => sign * compare(key(a), key(b)) || a.cluster.localeCompare(b.cluster));
};

interface WayFilter {
  readonly q?: string | undefined;
  readonly at?: Place | undefined;
}

export const filterWays = (ways: readonly Way[], { q, at }: WayFilter): Way[] =>
  ways.filter(({ cluster, place }) => (at === undefined || place === at) && cluster.includes(q?.toLowerCase() ?? ''));

/** How many clusters stand where; those where none does are left out. */
export const countPlaces = (ways: readonly Way[]): { readonly place: Place; readonly count: number }[] =>
  PLACES.map((place) => ({ place, count: ways.filter((way) => way.place === place).length })).filter(({ count }) => count > 0);
