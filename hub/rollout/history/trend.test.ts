import { byText } from '@fso/shared/encoding';
import { FakeClock } from '@fso/shared/fake-clock';
import { pino } from 'pino';
import { expect, it } from 'vitest';
import type { Ledger } from '../../ledger/index.ts';
import { createMemoryLedger } from '../../ledger/testing/memory-ledger.ts';
import { FleetIndex } from '../../serve/fleet/fleet-index.ts';
import { statusView } from '../../serve/fleet/fleet-reader.ts';
import { policyReport, report } from '../../serve/testing/fleet.ts';
import { createTrendRecorder, pointOf, readTrend, TREND_DAYS } from './trend.ts';

const HOUR_MS = 3_600_000;

const UNREAD = { url: '', ref: '', revision: null, rejected: null, error: null, lastFetch: null };

const countsOf = (ledger: Ledger) => {
  const index = new FleetIndex();
  return async () => {
    const fleet = index.update({ desired: await ledger.desired(), clusters: await ledger.clusters() });
    return statusView(fleet, UNREAD, { version: '', now: 0 });
  };
};

const started = (everyMs = 60_000) => {
  const clock = new FakeClock();
  const ledger = createMemoryLedger({ clock });
  const stop = new AbortController();
  const counts = countsOf(ledger);
  const done = createTrendRecorder({ ledger, counts, clock, logger: pino({ level: 'silent' }), everyMs }).run(stop.signal);
  let seq = 0;
  const violate = async (violations: number, phase: 'Active' | 'Failed' = 'Active') => {
    seq += 1;
    await ledger.applyReport('eu', report({ seq, policies: [policyReport('finance', { violations, phase })] }));
  };
  const read = async (hours: number) => readTrend(ledger.records, hours, pointOf(await counts(), clock.now()));
  return {
    clock,
    ledger,
    violate,
    read,
    [Symbol.asyncDispose]: async () => {
      stop.abort();
      await done;
    },
  };
};

it('has a point a minute with a change, begins with the value before, and ends with the present', async () => {
  await using trend = started();
  const { clock, ledger, violate, read } = trend;
  await clock.advance(1000);
  await ledger.setConnected('eu', true);
  for (const violations of [5, 1, 2]) {
    await violate(violations);
    await clock.advance(10_000);
  }
  await clock.advance(60_000);
  await violate(2);
  await clock.advance(HOUR_MS);
  await violate(0, 'Failed');
  expect((await read(24)).filter((_, at, all) => at === 0 || all[at]?.violations !== all[at - 1]?.violations)).toEqual([
    { time: '2025-12-31T01:01:31.000Z', violations: null, failed: null, connected: null },
    { time: '2026-01-01T00:00:00.000Z', violations: 0, failed: 0, connected: 0 },
    { time: '2026-01-01T00:01:00.000Z', violations: 2, failed: 0, connected: 1 },
    { time: '2026-01-01T01:01:31.000Z', violations: 0, failed: 1, connected: 1 },
  ]);
  expect((await read(1)).map(({ time, violations }) => [time, violations])).toEqual([
    ['2026-01-01T00:01:31.000Z', 2],
    ['2026-01-01T00:16:00.000Z', 2],
    ['2026-01-01T00:31:00.000Z', 2],
    ['2026-01-01T00:46:00.000Z', 2],
    ['2026-01-01T01:01:00.000Z', 2],
    ['2026-01-01T01:01:31.000Z', 0],
  ]);
});

it('keeps a bounded number of days, and the worst of each number for long ranges', async () => {
  await using trend = started(HOUR_MS / 4);
  const { clock, ledger, violate, read } = trend;
  for (let hour = 0; hour < 24 * (TREND_DAYS + 5); hour += 1) {
    await violate(hour === 24 * 50 ? 99 : hour % 2);
    await ledger.setConnected('eu', hour !== 24 * 60);
    await clock.advance(HOUR_MS);
  }
  expect(ledger.records.list('trend')).toHaveLength(TREND_DAYS + 1);
  const points = await read(24 * TREND_DAYS);
  expect(points.length).toBeLessThanOrEqual(1003);
  expect(points.map(({ violations }) => violations)).toContain(99);
  expect(points.slice(1, -1).map(({ connected }) => connected)).toContain(0);
  expect(points.map(({ time }) => time)).toEqual(points.map(({ time }) => time).sort(byText));
  expect(Date.parse(points[0]?.time ?? '')).toBe(clock.now().getTime() - 24 * TREND_DAYS * HOUR_MS);
});

it('has no value for times without a hub', async () => {
  const trend = started();
  const { clock, ledger, violate, read } = trend;
  // Looked at once before anything happens.
  await clock.advance(0);
  await violate(3);
  await clock.advance(120_000);
  await trend[Symbol.asyncDispose]();
  await clock.advance(HOUR_MS);
  expect((await read(2)).map(({ time, violations }) => [time.slice(11, 16), violations])).toEqual([
    ['23:02', null],
    ['00:00', 0],
    ['00:01', 3],
    ['00:02', null],
    ['01:02', 3],
  ]);
  expect((await read(1)).at(0)).toMatchObject({ violations: null });
  expect(ledger.records.list('trend')).toHaveLength(1);
});

it('repeats a failed write', async () => {
  const clock = new FakeClock();
  const ledger = createMemoryLedger({ clock });
  let attempts = 0;
  const records: typeof ledger.records = {
    ...ledger.records,
    update: (...change) => {
      attempts += 1;
      return attempts === 1 ? Promise.reject(new Error('away')) : ledger.records.update(...change);
    },
  };
  const stop = new AbortController();
  const done = createTrendRecorder({
    ledger: { ...ledger, records },
    counts: countsOf(ledger),
    clock,
    logger: pino({ level: 'silent' }),
  }).run(stop.signal);
  await clock.advance(1000);
  expect(ledger.records.list('trend')).toEqual([]);
  await clock.advance(60_000);
  expect(ledger.records.list('trend')).toHaveLength(1);
  stop.abort();
  await done;
});
