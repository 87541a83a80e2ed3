import { KubeApiError, type KubeClient } from '@fso/shared/kube';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FakeClock } from '../../shared/runtime/testing/fake-clock.ts';
import { EventWatch } from './event-watch.ts';

const forbidden = () => new KubeApiError(403, { message: 'no right to watch', code: 403 }, { request: { method: 'GET', path: '/' } });

describe('the watch of events', () => {
  let clock: FakeClock;
  let isForbidden: boolean;
  let warnings: number;
  let watch: EventWatch;
  let stop: AbortController;
  let running: Promise<void>;

  async function* quiet(signal: AbortSignal) {
    await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
    yield* [];
  }

  beforeEach(() => {
    clock = new FakeClock();
    isForbidden = true;
    warnings = 0;
    stop = new AbortController();
    const client: Pick<KubeClient, 'raw' | 'stream'> = {
      raw: async <T>() => ({ object: { metadata: { resourceVersion: '1' } } as T, warnings: [] }),
      stream: async (_request, signal) => {
        // Nothing is known before this answers.
        expect(watch.problem).toBeDefined();
        if (isForbidden) throw forbidden();
        return quiet(signal);
      },
    };
    const warn = () => {
      warnings += 1;
    };
    watch = new EventWatch({ client, clock, random: () => 0, logger: { warn }, onRefusal: () => undefined });
    running = watch.run(stop.signal);
  });
  afterEach(async () => {
    stop.abort();
    await running;
  });

  it('keeps its problem until the watch opens, and logs it once', async () => {
    for (let minute = 0; minute < 5; minute += 1) {
      await clock.advance(60_000);
      expect(watch.problem).toContain('no right to watch');
    }
    expect(warnings).toBe(1);
    isForbidden = false;
    await clock.advance(60_000);
    expect(watch.problem).toBeUndefined();
  });
});
