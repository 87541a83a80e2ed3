import { FakeClock } from '@fso/shared/fake-clock';
import { OBSERVED_KINDS } from '@fso/shared/protocol';
import { createLogger } from '@fso/shared/runtime';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { OBSERVATION_LIMITS } from './limits.ts';
import { Observer } from './observer.ts';

const logger = createLogger({ name: 'test', level: 'silent' });

describe('an observer', () => {
  let stop: AbortController;
  let clock: FakeClock;
  let cache: { version: number; seenAtMs: number; lists: PromiseWithResolvers<void>[] };
  let changes: number;
  let observer: Observer;
  let running: Promise<void>;

  const round = (): void => {
    observer.beginRound();
    observer.endRound();
    observer.nextLookMs(Number.POSITIVE_INFINITY);
  };

  beforeEach(() => {
    stop = new AbortController();
    clock = new FakeClock();
    cache = { version: 1, seenAtMs: clock.monotonicMs(), lists: [] };
    changes = 0;
    const view = {
      kinds: () => OBSERVED_KINDS.map((kind) => ({ kind, informer: { seenAtMs: cache.seenAtMs, failure: undefined } })),
      get version() {
        return cache.version;
      },
      relistAll: () => {
        const list = Promise.withResolvers<void>();
        cache.lists.push(list);
        return list.promise;
      },
    };
    const events = { ofCluster: () => undefined };
    const onChange = (): void => {
      changes += 1;
    };
    observer = new Observer({ clock, logger, limits: OBSERVATION_LIMITS, cache: view, events, onChange }, stop.signal);
    running = observer.run();
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

  it('knows nothing after a pause until all kinds are listed and a round is planned', async () => {
    expect(observer.ages().outOfDate).toEqual([]);
    clock.stall(60_000);
    await clock.advance(1_000);
    expect(observer.ages().outOfDate).toContain('Pause');
    expect(cache.lists).toHaveLength(1);
    round();
    expect(observer.ages().outOfDate).toContain('Pause');
    const before = changes;
    cache.seenAtMs = clock.monotonicMs();
    cache.lists[0]?.resolve();
    await clock.advance(1);
    expect(changes).toBeGreaterThan(before);
    expect(observer.confirm()).toBe(false);
    round();
    expect(observer.ages().outOfDate).toEqual([]);
  });

  it('leaves pauses out of how long something lasted', async () => {
    const before = observer.awake.monotonicMs();
    clock.stall(60_000);
    await clock.advance(1_000);
    expect(observer.awake.monotonicMs() - before).toBeLessThan(10_000);
  });

  it('knows nothing once the term has ended', async () => {
    stop.abort();
    await running;
    expect(observer.ages().outOfDate).toContain('Pause');
  });
});
