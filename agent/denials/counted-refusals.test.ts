import { beforeEach, describe, expect, it } from 'vitest';
import { CountedRefusals, type Reading } from './counted-refusals.ts';

const MINUTE = 60_000;

let counted: CountedRefusals;
beforeEach(() => {
  counted = new CountedRefusals();
});

/** Time at which the tests begin, in seconds since 1970. */
const BEGIN_S = 1_000_000;

const read = (
  minute: number,
  pods: number,
  more: Partial<Omit<Reading, 'server'>> & { startedAt?: number; bindings?: number } = {},
): void => {
  const { startedAt = 1, bindings = 0, ...rest } = more;
  const server = { startedAt, refusals: { pods, bindings } };
  const times = { atMs: minute * MINUTE, nowMs: BEGIN_S * 1000 + minute * MINUTE };
  counted.take({ server, own: { pods: 0, bindings: 0 }, servers: 1, ...times, ...rest });
};
const podsAt = (minute: number): number | undefined => counted.now(minute * MINUTE)?.pods;

describe('refusals of the last hour', () => {
  it('are those since the first reading, without the own dry runs', () => {
    expect(counted.now(0)).toBeUndefined();
    read(0, 500, { own: { pods: 100, bindings: 3 }, bindings: 9 });
    expect(counted.now(0)).toMatchObject({ pods: 0, bindings: 0, recent: 0, minutes: 0, partial: undefined });
    read(1, 512, { own: { pods: 104, bindings: 5 }, bindings: 12 });
    expect(counted.now(MINUTE)).toMatchObject({ pods: 8, bindings: 1, recent: 8, minutes: 5 });
  });

  it('are corrected where an own dry run was counted before its answer came', () => {
    read(0, 10);
    read(1, 13, { own: { pods: 1, bindings: 0 } });
    expect(podsAt(1)).toBe(2);
    read(2, 13, { own: { pods: 3, bindings: 0 } });
    expect(podsAt(2)).toBe(0);
  });

  it('leave out what is older, and count the last ten minutes apart', () => {
    read(0, 0);
    read(1, 30);
    for (let minute = 2; minute <= 50; minute += 1) read(minute, 30);
    expect(counted.now(50 * MINUTE)).toMatchObject({ pods: 30, recent: 0, minutes: 50 });
    for (let minute = 51; minute <= 70; minute += 1) read(minute, 34);
    expect(counted.now(70 * MINUTE)).toMatchObject({ pods: 4, minutes: 60 });
  });

  it('are not known once nothing was read for three minutes, and then begin again', () => {
    read(0, 5);
    expect(podsAt(3)).toBe(0);
    expect(podsAt(4)).toBeUndefined();
    expect(counted.problem(4 * MINUTE)).toContain('not read for a while');
    read(120, 9_000);
    expect(counted.now(120 * MINUTE)).toMatchObject({ pods: 0, recent: 0, minutes: 0, partial: undefined });
    read(121, 9_004);
    expect(counted.now(121 * MINUTE)).toMatchObject({ pods: 4, recent: 4, minutes: 5 });
  });

  it('count from zero where the only API server restarted, and are partial for an hour', () => {
    read(0, 100);
    read(1, 120);
    const startedAt = BEGIN_S + 90;
    read(2, 6, { startedAt, own: { pods: 1, bindings: 0 } });
    expect(counted.now(2 * MINUTE)?.pods).toBe(25);
    expect(counted.now(2 * MINUTE)?.partial).toContain('restarted');
    for (let minute = 3; minute <= 63; minute += 1) read(minute, 6, { startedAt, own: { pods: 1, bindings: 0 } });
    expect(counted.now(63 * MINUTE)?.partial).toBeUndefined();
  });

  it('are added up as each of several API servers answers, and are partial', () => {
    const of = (minute: number, startedAt: number, pods: number) => read(minute, pods, { startedAt, servers: 2 });
    of(0, 1, 100);
    of(1, 2, 1_000);
    of(2, 1, 110);
    of(3, 2, 1_005);
    expect(podsAt(3)).toBe(15);
    expect(counted.now(3 * MINUTE)?.partial).toContain('2 API servers');
  });

  it('are partial where the number of API servers is not known', () => {
    read(0, 110, { servers: undefined });
    expect(counted.now(0)?.partial).toContain('not known');
  });

  it('leave out what another API server behind the same address has counted so far, and are partial for an hour', () => {
    read(0, 100);
    read(1, 5_000, { startedAt: 2 });
    expect(counted.now(MINUTE)).toMatchObject({ pods: 0, recent: 0, partial: expect.stringContaining('several API servers') });
    for (let minute = 2; minute <= 61; minute += 1) read(minute, 5_000 + minute, { startedAt: 2 });
    expect(counted.now(61 * MINUTE)?.partial).toContain('several API servers');
    read(62, 5_062, { startedAt: 2 });
    expect(counted.now(62 * MINUTE)?.partial).toBeUndefined();
    // The first one answers again, hours after its last reading.
    read(63, 8_000);
    expect(counted.now(63 * MINUTE)).toMatchObject({ pods: 58, partial: expect.stringContaining('several API servers') });
  });

  it('leave out the own dry runs since the last reading of the same API server', () => {
    const of = (minute: number, startedAt: number, pods: number, own: number) =>
      read(minute, pods, { startedAt, servers: 2, own: { pods: own, bindings: 0 } });
    of(0, 1, 100, 0);
    of(1, 2, 1_000, 40);
    of(2, 1, 150, 40);
    expect(podsAt(2)).toBe(10);
    // The other one has counted none of these.
    of(4, 2, 1_000, 400);
    of(6, 2, 1_030, 400);
    expect(podsAt(6)).toBe(30);
  });

  it('are not known where the counters lack the own dry runs', () => {
    read(0, 0);
    read(1, 0, { own: { pods: 15, bindings: 0 } });
    expect(podsAt(1)).toBe(0);
    read(2, 0, { own: { pods: 30, bindings: 0 } });
    expect(podsAt(2)).toBeUndefined();
    expect(counted.problem(2 * MINUTE)).toContain('dry runs of the agent itself');
  });

  it('stay known where what a correction belongs to is older than an hour', () => {
    read(4, 0);
    read(4.5, 30);
    read(5, 30, { own: { pods: 30, bindings: 0 } });
    for (let minute = 6; minute <= 70; minute += 1) {
      read(minute, 30, { own: { pods: 30, bindings: 0 } });
      expect(podsAt(minute)).toBe(0);
    }
  });
});
