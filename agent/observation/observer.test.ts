import { FakeClock } from '@fso/shared/fake-clock';
import { OBSERVED_KINDS, ROUND_PARTS } from '@fso/shared/protocol';
import { createLogger, PauseDetector } from '@fso/shared/runtime';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { OBSERVATION_LIMITS } from './limits.ts';
import { Observer } from './observer.ts';

const logger = createLogger({ name: 'test', level: 'silent' });

describe('an observer', () => {
  let stop: AbortController;
  let clock: FakeClock;
  let cache: { version: number };
  let changes: number;
  let observer: Observer;
  let running: Promise<unknown>;

  const round = (): void => {
    observer.beginRound();
    for (const part of ROUND_PARTS) observer.parts.run(part, () => undefined, undefined);
    observer.endRound();
    observer.nextLookMs(Number.POSITIVE_INFINITY);
  };

  beforeEach(() => {
    stop = new AbortController();
    clock = new FakeClock();
    cache = { version: 1 };
    changes = 0;
    const view = {
      kinds: () => OBSERVED_KINDS.map((kind) => ({ kind, informer: { seenAtMs: clock.monotonicMs(), failure: undefined } })),
      get version() {
        return cache.version;
      },
    };
    const events = { ofCluster: () => undefined };
    const onChange = (): void => {
      changes += 1;
    };
    const pauses = new PauseDetector({ clock });
    observer = new Observer({ clock, logger, limits: OBSERVATION_LIMITS, cache: view, pauses, events, onChange }, stop.signal);
    running = Promise.all([observer.run(), pauses.run(stop.signal)]);
    round();
  });

  afterEach(async () => {
    stop.abort();
    await running;
  });

  it('confirms a round where nothing changed, and no other', () => {
    expect(observer.confirm()).toBe(true);
    cache.version += 1;
    expect(observer.confirm()).toBe(false);
    round();
    expect(observer.confirm()).toBe(true);
    observer.invalidate();
    expect(observer.confirm()).toBe(false);
  });

  it('looks again within ten seconds, and plans when something is due by the time alone', async () => {
    expect(observer.lookAgainMs()).toBe(OBSERVATION_LIMITS.lookMs);
    expect(observer.nextLookMs(3_000)).toBe(3_000);
    await clock.advance(1_000);
    expect(observer.confirm()).toBe(true);
    await clock.advance(2_000);
    expect(observer.confirm()).toBe(false);
  });

  it('confirms no round in which a part failed', () => {
    observer.beginRound();
    observer.parts.run(
      'guard',
      () => {
        throw new Error('broken');
      },
      undefined,
    );
    observer.endRound();
    observer.nextLookMs(Number.POSITIVE_INFINITY);
    expect(observer.confirm()).toBe(false);
  });

  it('is unknown after a pause until all kinds are listed and a round is planned', async () => {
    expect(observer.ages().outOfDate).toEqual([]);
    clock.stall(60_000);
    // Also before the tick that shows it.
    expect(observer.ages().outOfDate).toContain('Pause');
    const before = changes;
    await clock.advance(1_000);
    expect(changes).toBeGreaterThan(before);
    expect(observer.ages().outOfDate).toContain('floor');
    expect(observer.confirm()).toBe(false);
    round();
    expect(observer.ages().outOfDate).toEqual([]);
  });

  it('confirms no round that did not end', () => {
    observer.beginRound();
    expect(observer.confirm()).toBe(false);
    round();
    expect(observer.confirm()).toBe(true);
  });

  it('excludes pauses from durations', async () => {
    const before = observer.awake.monotonicMs();
    clock.stall(60_000);
    await clock.advance(1_000);
    expect(observer.awake.monotonicMs() - before).toBeLessThan(10_000);
  });

  it('is unknown once the term has ended', async () => {
    stop.abort();
    await running;
    expect(observer.ages().outOfDate).toContain('Pause');
  });
});
