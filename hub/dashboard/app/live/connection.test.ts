import type { StreamEvent } from '@fso/shared/api';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { ApiProblem, HubUnreachable } from '../../api/client.ts';
import { createConnection, type LiveState, WATCHDOG_MS } from './connection.ts';

const RESET = 'id: 7\nevent: reset\ndata: {}\n\n';

/** A stream that the test writes. */
const openStream = () => {
  const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
  const writer = writable.getWriter();
  const encoder = new TextEncoder();
  return {
    response: new Response(readable),
    write: (text: string): void => void writer.write(encoder.encode(text)),
    end: (): void => void writer.close(),
    /** Cuts the stream, as a lost network or an abandoned call does. */
    cut: (): void => void writer.abort(new TypeError('network error')),
  };
};
type Stream = ReturnType<typeof openStream>;

const problem = (status: number, retryAfterS?: number): ApiProblem =>
  new ApiProblem({ type: 'about:blank', title: 'No', status, code: 'no', detail: 'why not', requestId: 'r' }, retryAfterS);

/** @param answers to the calls, in this order; then no call is answered any more */
const connect = (answers: readonly (Stream | Error)[]) => {
  const seen = {
    states: [] as LiveState[],
    events: [] as StreamEvent[],
    ids: [] as (string | null)[],
    waits: [] as number[],
    calls: [] as string[],
  };
  const left = [...answers];
  const end = new AbortController();
  const connection = createConnection({
    onState: (state) => seen.states.push(state),
    onEvent: (event) => seen.events.push(event),
    onLive: () => seen.calls.push('live'),
    onSignedOut: () => seen.calls.push('signed out'),
    now: () => 1000,
    random: () => 0.5,
    sleep: async (ms) => void seen.waits.push(ms),
    fetch: async (_url, init, signal) => {
      seen.ids.push(new Headers(init.headers).get('Last-Event-ID'));
      const answer = left.shift();
      if (answer instanceof Error) throw answer;
      if (answer === undefined) return new Promise((_resolve, reject) => signal?.addEventListener('abort', () => reject(signal.reason)));
      signal?.addEventListener('abort', answer.cut);
      return answer.response;
    },
  });
  return { seen, end, done: connection.run(end.signal) };
};

/** Guards against hanging alone, as long as in test/harness/waiting.ts. */
const HANG_MS = 300_000;
const until = (condition: () => void): Promise<void> => vi.waitFor(condition, { interval: 1, timeout: HANG_MS });

afterEach(() => vi.useRealTimers());

describe('the live connection', () => {
  it('passes on what the hub sends, and continues after an interruption', async () => {
    const [first, second] = [openStream(), openStream()];
    const { seen, end, done } = connect([first, second]);
    first.write(`retry: 1000\n\n: heartbeat\n\nid: 6\nevent: unknown\ndata: {}\n\n${RESET.slice(0, 9)}`);
    first.write(RESET.slice(9));
    await until(() => expect(seen.events).toEqual([{ event: 'reset', data: {} }]));
    first.cut();
    await until(() => expect(seen.ids).toEqual([null, '7']));
    expect(seen.states).toEqual([{ kind: 'connecting' }, { kind: 'live' }, { kind: 'reconnecting', since: 1000 }, { kind: 'live' }]);
    expect(seen.calls).toEqual(['live', 'live']);
    end.abort();
    await done;
  });

  it('waits longer with each failure, and shows since when the hub is away', async () => {
    const away = new HubUnreachable(undefined);
    const { seen, end, done } = connect([away, away, away, problem(503, 60)]);
    await until(() => expect(seen.waits).toEqual([250, 500, 1000, 60_000]));
    expect(seen.states.slice(0, 3)).toEqual([
      { kind: 'connecting' },
      { kind: 'reconnecting', since: 1000 },
      { kind: 'unreachable', since: 1000 },
    ]);
    end.abort();
    await done;
  });

  it('begins with short waits again once it was live', async () => {
    const away = new HubUnreachable(undefined);
    const stream = openStream();
    const { seen, end, done } = connect([away, away, stream, away]);
    stream.end();
    await until(() => expect(seen.waits).toEqual([250, 500, 250, 500]));
    end.abort();
    await done;
  });

  it('ends when the session is over, and reports it once', async () => {
    const { seen, done } = connect([problem(401)]);
    await done;
    expect([seen.calls, seen.states.at(-1), seen.ids.length]).toEqual([['signed out'], { kind: 'signedOut' }, 1]);
  });

  it('shows why the hub refuses it', async () => {
    const { seen, end, done } = connect([problem(403)]);
    await until(() => expect(seen.states.at(-1)).toEqual({ kind: 'refused', since: 1000, why: 'why not' }));
    end.abort();
    await done;
  });

  it('gives up a connection on which not even heartbeats come', async () => {
    vi.useFakeTimers();
    const stream = openStream();
    const { seen, end, done } = connect([stream]);
    await vi.advanceTimersByTimeAsync(WATCHDOG_MS - 1);
    stream.write(': heartbeat\n\n');
    await vi.advanceTimersByTimeAsync(WATCHDOG_MS - 1);
    expect(seen.ids).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(1);
    expect([seen.ids.length, seen.states.at(-1)]).toEqual([2, { kind: 'reconnecting', since: 1000 }]);
    end.abort();
    await done;
  });
});
