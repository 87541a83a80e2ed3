import type { StatusView, TrendPoint } from '@fso/shared/api';
import { type Runtime, StepMemo } from '@fso/shared/runtime';
import { z } from 'zod';
import type { FleetState, Journal, KeyedReader, Lease } from '../../ledger/index.ts';

/** The numbers of the fleet over time: by day, so that an old one is not written again. */

const TREND_KIND = 'trend';
/** Days for which the numbers of the fleet are shown. */
export const TREND_DAYS = 90;
/** Number of stored days: one more than are shown, as the first of them is not a whole one. */
const SLOTS = TREND_DAYS + 1;
const DAY_MS = 86_400_000;
const EVERY_MS = 60_000;
/** Time between two points without a change, which show that the recorder runs. */
const SIGN_OF_LIFE_MS = 15 * 60_000;
/** Time without a point after which no hub counts as recording. */
const SILENCE_MS = 20 * 60_000;
/** Points of an answer; of more, {@link SPANS} spans of time have up to three each. */
const MAX_POINTS = 1_000;
const SPANS = 330;

/** Milliseconds since 1970, violations, failed policies, connected clusters. */
const StoredPoint = z.tuple([z.int(), z.int(), z.int(), z.int()]);
type StoredPoint = z.infer<typeof StoredPoint>;

const StoredDay = z.object({
  /** Days since 1970. */
  day: z.int(),
  /** Oldest first. */
  points: z.array(StoredPoint),
});
type StoredDay = z.infer<typeof StoredDay>;

const dayOf = (ms: number): number => Math.floor(ms / DAY_MS);
const slotOf = (day: number): string => String(day % SLOTS);

const parsedDays = new StepMemo((value: object): StoredDay | undefined => StoredDay.safeParse(value).data);

const readDay = (records: KeyedReader, day: number): StoredDay | undefined => dayIn(records.get(TREND_KIND, slotOf(day)), day);

const dayIn = (value: unknown, day: number): StoredDay | undefined => {
  if (typeof value !== 'object' || value === null) return undefined;
  const known = parsedDays.get(value);
  return known?.day === day ? known : undefined;
};

/** A recorded moment. */
interface SeenPoint extends TrendPoint {
  readonly violations: number;
  readonly failed: number;
  readonly connected: number;
}

/** Current counts of the fleet. */
export type FleetCounts = Pick<StatusView, 'violations' | 'policies' | 'clusters'>;

/**
 * Returns the current point. The last report of a cluster counts until its next one: a policy that
 * failed has failed.
 */
export const pointOf = ({ violations, policies, clusters }: FleetCounts, now: Date): SeenPoint => ({
  time: now.toISOString(),
  violations,
  failed: policies.failed,
  connected: clusters.connected,
});

const storedOf = ({ time, violations, failed, connected }: SeenPoint): StoredPoint => [Date.parse(time), violations, failed, connected];

const isSame = (one: StoredPoint, other: StoredPoint): boolean => one.slice(1).every((value, at) => value === other[at + 1]);

/** A point of an answer; null: from then on no hub recorded. */
type Point = readonly [ms: number, values: readonly [violations: number, failed: number, connected: number] | null];

const viewOf = ([ms, values]: Point): TrendPoint => {
  const [violations, failed, connected] = values ?? [null, null, null];
  return { time: new Date(ms).toISOString(), violations, failed, connected };
};

/**
 * Reads the points since shortly before `from`, for the values that held at that time; oldest
 * first.
 */
const readPoints = (records: KeyedReader, from: number, now: number): Point[] => {
  const first = dayOf(from - SILENCE_MS);
  return Array.from({ length: dayOf(now) - first + 1 }, (_, at) => readDay(records, first + at))
    .flatMap((day) => day?.points ?? [])
    .filter(([ms]) => ms < now)
    .map(([ms, ...values]) => [ms, values]);
};

/** Adds a point where a gap begins. */
const withGaps = (points: readonly Point[]): Point[] =>
  points.flatMap((point, at): Point[] => {
    const next = points[at + 1];
    return next !== undefined && next[0] - point[0] > SILENCE_MS ? [point, [point[0] + EVERY_MS, null]] : [point];
  });

/** The worst of each number, at the first recorded point. */
const worstOf = (points: readonly Point[]): Point[] => {
  const seen = points.flatMap(([, values]) => (values === null ? [] : [values]));
  const first = points.find(([, values]) => values !== null);
  if (first === undefined) return [];
  const column = (at: 0 | 1 | 2): number[] => seen.map((values) => values[at]);
  return [[first[0], [Math.max(...column(0)), Math.max(...column(1)), Math.min(...column(2))]]];
};

/**
 * Merges one span into its worst values, its gap, and its last point. In order, one at each time.
 */
const merged = (points: readonly Point[]): Point[] => {
  const gap = points.find(([, values]) => values === null);
  const last = points.at(-1);
  const kept = [...(last === undefined ? [] : [last]), ...(gap === undefined ? [] : [gap]), ...worstOf(points)];
  return [...new Map(kept.map((point) => [point[0], point])).values()].sort(([left], [right]) => left - right);
};

const thin = (points: readonly Point[], from: number, spanMs: number): Point[] => {
  if (points.length <= MAX_POINTS) return [...points];
  const spans = Map.groupBy(points, ([ms]) => Math.floor((ms - from) / spanMs));
  return [...spans.values()].flatMap(merged);
};

/**
 * The last hours, oldest first: what held when they began, the points in them, and the present.
 *
 * @param present what holds now
 */
export const readTrend = (records: KeyedReader, hours: number, present: SeenPoint): TrendPoint[] => {
  const now = Date.parse(present.time);
  const from = now - hours * 3_600_000;
  const [ms, ...values] = storedOf(present);
  const points = withGaps([...readPoints(records, from, now), [ms, values]]);
  const before = points.findLast(([at]) => at <= from);
  const inside = points.filter(([at]) => at > from && at < now);
  return [[from, before?.[1] ?? null] as const, ...thin(inside, from, (now - from) / SPANS), [ms, values] as const].map(viewOf);
};

/** Source of the fleet's numbers, and the ledger that keeps them over time. */
export interface TrendDeps extends Pick<Runtime, 'clock' | 'logger'> {
  readonly ledger: Pick<FleetState, 'subscribe'> & Pick<Journal, 'records'> & Pick<Lease, 'leads' | 'onLead'>;
  readonly counts: () => Promise<FleetCounts>;
  /** Time between two looks. Default one minute. */
  readonly everyMs?: number;
}

/** Keeps the trend; of several hubs the leading one does. */
export const createTrendRecorder = ({ ledger, counts, clock, logger, everyMs = EVERY_MS }: TrendDeps) => {
  let isDirty = true;
  ledger.subscribe(({ kind }) => {
    isDirty ||= kind === 'cluster';
  });
  ledger.onLead(() => {
    isDirty = true;
  });

  let isRecording = false;

  const record = async (): Promise<void> => {
    const now = clock.now();
    const day = dayOf(now.getTime());
    const last = readDay(ledger.records, day)?.points.at(-1);
    const isDue = last === undefined || now.getTime() - last[0] >= SIGN_OF_LIFE_MS;
    if (!isDirty && !isDue) return;
    isDirty = false;
    const added = storedOf(pointOf(await counts(), now));
    if (!isDue && isSame(last, added)) return;
    await ledger.records.update(TREND_KIND, slotOf(day), (value) => {
      const after: StoredDay = { day, points: [...(dayIn(value, day)?.points ?? []), added] };
      parsedDays.note(after, after);
      return after;
    });
  };

  const look = async (): Promise<void> => {
    if (isRecording || !ledger.leads()) return;
    isRecording = true;
    try {
      await record();
    } catch (err) {
      isDirty = true;
      logger.error({ err }, 'trend not recorded');
    } finally {
      isRecording = false;
    }
  };

  return {
    /** Looks at the fleet until aborted. */
    run: async (signal: AbortSignal): Promise<void> => {
      while (!signal.aborted) {
        // Not awaited: with the database away it takes as long as that is.
        void look();
        await clock.sleep(everyMs, signal).catch(() => undefined);
      }
    },
  };
};
