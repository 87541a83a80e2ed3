import type { StatusView, TrendPoint } from '@fso/shared/api';
import { type Runtime, StepMemo } from '@fso/shared/runtime';
import { z } from 'zod';
import type { FleetState, Journal, KeyedReader, Lease } from '../../ledger/index.ts';

/** Counts of the fleet over time, stored by day so that past days are not written again. */

const TREND_KIND = 'trend';
/** Days for which the counts of the fleet are shown. */
export const TREND_DAYS = 90;
/** Number of stored days: one more than are shown, as the first of them is not a whole one. */
const SLOTS = TREND_DAYS + 1;
const DAY_MS = 86_400_000;
const EVERY_MS = 60_000;
/** Time between two points without a change, in milliseconds: they show that a hub records. */
const SIGN_OF_LIFE_MS = 15 * 60_000;
/** Time without a point after which no hub counts as recording, in milliseconds. */
const SILENCE_MS = 20 * 60_000;
/** Most points of an answer. If there are more, each of {@link SPANS} spans has up to three. */
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

/** A point at which a hub recorded. */
interface SeenPoint extends TrendPoint {
  readonly violations: number;
  readonly failed: number;
  readonly connected: number;
}

/** Current counts of the fleet. */
export type FleetCounts = Pick<StatusView, 'violations' | 'policies' | 'clusters'>;

/** Returns the point of the current counts. The last report of a cluster counts until its next. */
export const pointOf = ({ violations, policies, clusters }: FleetCounts, now: Date): SeenPoint => ({
  time: now.toISOString(),
  violations,
  failed: policies.failed,
  connected: clusters.connected,
});

const storedOf = ({ time, violations, failed, connected }: SeenPoint): StoredPoint => [Date.parse(time), violations, failed, connected];

const isSame = (one: StoredPoint, other: StoredPoint): boolean => one.slice(1).every((value, at) => value === other[at + 1]);

/** A point of an answer. Its values are null if no hub recorded from then on. */
type Point = readonly [ms: number, values: readonly [violations: number, failed: number, connected: number] | null];

const viewOf = ([ms, values]: Point): TrendPoint => {
  const [violations, failed, connected] = values ?? [null, null, null];
  return { time: new Date(ms).toISOString(), violations, failed, connected };
};

/**
 * Reads the points, oldest first, from shortly before `from` on, to include the values that held at
 * `from`.
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

/** Returns the worst value of each count, at the time of the first recorded point. */
const worstOf = (points: readonly Point[]): Point[] => {
  const seen = points.flatMap(([, values]) => (values === null ? [] : [values]));
  const first = points.find(([, values]) => values !== null);
  if (first === undefined) return [];
  const column = (at: 0 | 1 | 2): number[] => seen.map((values) => values[at]);
  return [[first[0], [Math.max(...column(0)), Math.max(...column(1)), Math.min(...column(2))]]];
};

/**
 * Merges the points of a span into its worst values, its gap and its last point. They are in order,
 * with one for each time.
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
 * Returns the trend of the last hours, oldest first: the values at their beginning, the points in
 * them, and the current point.
 *
 * @param present the current point
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

/** Source of the counts of the fleet, and the ledger that stores them. */
export interface TrendDeps extends Pick<Runtime, 'clock' | 'logger'> {
  readonly ledger: Pick<FleetState, 'subscribe'> & Pick<Journal, 'records'> & Pick<Lease, 'leads' | 'onLead'>;
  readonly counts: () => Promise<FleetCounts>;
  /** Time between two checks, in milliseconds. Default: one minute. */
  readonly everyMs?: number;
}

/** Creates the recorder of the trend. Only the leading hub records. */
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

  const recordIfLeading = async (): Promise<void> => {
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
    /** Records until aborted. */
    run: async (signal: AbortSignal): Promise<void> => {
      while (!signal.aborted) {
        // Not awaited, as a write blocks while the database is unavailable.
        void recordIfLeading();
        await clock.sleep(everyMs, signal).catch(() => undefined);
      }
    },
  };
};
