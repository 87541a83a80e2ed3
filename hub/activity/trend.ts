import type { TrendPoint } from '@fso/shared/api';
import type { Clock } from '@fso/shared/runtime';
import type pino from 'pino';
import { z } from 'zod';
import type { ClusterRecord, Ledger, Records } from '../ledger/index.ts';

/** The numbers of the fleet over time: by day, so that an old one is not written again. */

const TREND_KIND = 'trend';
export const TREND_DAYS = 90;
/** One more than are shown, as the first of them is not a whole one. */
const SLOTS = TREND_DAYS + 1;
const DAY_MS = 86_400_000;
const EVERY_MS = 60_000;
/** Points of an answer; of those that are closer together the worst one stays. */
const MAX_POINTS = 1_000;

const StoredDay = z.object({
  /** Days since 1970. */
  day: z.int(),
  /** Milliseconds since 1970, violations, failed policies, connected clusters; oldest first. */
  points: z.array(z.tuple([z.int(), z.int(), z.int(), z.int()])),
});
type StoredDay = z.infer<typeof StoredDay>;

const dayOf = (ms: number): number => Math.floor(ms / DAY_MS);
const slotOf = (day: number): string => String(day % SLOTS);
const readDay = (value: unknown): StoredDay | undefined => StoredDay.safeParse(value).data;

/** The present. What a cluster last reported counts until it reports something else: a policy that failed has failed. */
export const pointOf = (clusters: readonly ClusterRecord[], now: Date): TrendPoint => {
  const failed = new Set<string>();
  let violations = 0;
  for (const { policies } of clusters)
    for (const [key, report] of policies) {
      violations += report.violations;
      if (report.phase === 'Failed') failed.add(key);
    }
  return { time: now.toISOString(), violations, failed: failed.size, connected: clusters.filter(({ connected }) => connected).length };
};

const isSame = (one: TrendPoint | undefined, other: TrendPoint): boolean =>
  one?.violations === other.violations && one.failed === other.failed && one.connected === other.connected;

/** All points that are kept, oldest first. */
const readPoints = (records: Records): TrendPoint[] =>
  records
    .list(TREND_KIND)
    .flatMap((value) => readDay(value) ?? [])
    .sort((left, right) => left.day - right.day)
    .flatMap(({ points }) =>
      points.map(([time, violations, failed, connected]) => ({ time: new Date(time).toISOString(), violations, failed, connected })),
    );

const isWorse = (one: TrendPoint, other: TrendPoint): boolean =>
  one.violations === other.violations ? one.failed > other.failed : one.violations > other.violations;

/** At most one point in each of many equal spans of time: the worst. */
const thin = (points: readonly TrendPoint[], from: number, spanMs: number): TrendPoint[] => {
  if (points.length <= MAX_POINTS) return [...points];
  const worst = new Map<number, TrendPoint>();
  for (const point of points) {
    const span = Math.floor((Date.parse(point.time) - from) / spanMs);
    const known = worst.get(span);
    if (known === undefined || !isWorse(known, point)) worst.set(span, point);
  }
  return [...worst.values()];
};

/**
 * The last hours, oldest first: what held when they began, the points in them, and the present.
 *
 * @param present what holds now
 */
export const readTrend = (records: Records, hours: number, present: TrendPoint): TrendPoint[] => {
  const now = Date.parse(present.time);
  const from = now - hours * 3_600_000;
  const points = readPoints(records);
  const inside = points.filter(({ time }) => Date.parse(time) > from && Date.parse(time) < now);
  const before = points.findLast(({ time }) => Date.parse(time) <= from);
  const start = before === undefined ? [] : [{ ...before, time: new Date(from).toISOString() }];
  return [...start, ...thin(inside, from, (now - from) / MAX_POINTS), present];
};

export interface TrendDeps {
  readonly ledger: Ledger;
  readonly clock: Clock;
  readonly logger: pino.Logger;
  /** Time between two looks. Default one minute. */
  readonly everyMs?: number;
}

export interface TrendRecorder {
  /** Looks at the fleet until aborted. */
  run(signal: AbortSignal): Promise<void>;
}

/** Keeps the trend; of several hubs the leading one does. */
export const createTrendRecorder = ({ ledger, clock, logger, everyMs = EVERY_MS }: TrendDeps): TrendRecorder => {
  let isDirty = true;
  ledger.subscribe(({ kind }) => {
    isDirty ||= kind === 'cluster';
  });
  ledger.onLead(() => {
    isDirty = true;
  });

  const record = async (): Promise<void> => {
    if (!isDirty || !ledger.leads()) return;
    isDirty = false;
    const point = pointOf(await ledger.clusters(), clock.now());
    if (isSame(readPoints(ledger.records).at(-1), point)) return;
    const day = dayOf(Date.parse(point.time));
    const added: StoredDay['points'][number] = [Date.parse(point.time), point.violations, point.failed, point.connected];
    await ledger.records.update(TREND_KIND, slotOf(day), (value) => {
      const before = readDay(value);
      return { day, points: [...(before?.day === day ? before.points : []), added] };
    });
  };

  return {
    run: async (signal) => {
      while (!signal.aborted) {
        // Nobody waits for it: with the database away it takes as long as that is.
        record().catch((err: unknown) => logger.error({ err }, 'trend not recorded'));
        await clock.sleep(everyMs, signal).catch(() => undefined);
      }
    },
  };
};
