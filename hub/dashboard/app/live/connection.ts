import type { StreamEvent } from '@fso/shared/api';
import { createBackoff } from '@fso/shared/backoff';
import { createParser } from 'eventsource-parser';
import { ApiProblem, isUnauthorized, request } from '../../api/client.ts';

interface LiveEvent {
  /** Position in the stream; undefined if the event does not move it. */
  readonly id: string | undefined;
  readonly event: StreamEvent;
}

const KINDS: ReadonlySet<string> = new Set<StreamEvent['event']>([
  'status',
  'source',
  'cluster',
  'policy',
  'event',
  'commit',
  'alerts',
  'reset',
]);

const isKnown = (kind: string | undefined): kind is StreamEvent['event'] => kind !== undefined && KINDS.has(kind);

/**
 * Reads server-sent events until the stream ends. Skips events of unknown kinds.
 *
 * @param handlers.onBytes called whenever anything arrives, heartbeats included
 * @throws errors of the stream; SyntaxError for data that is not JSON
 */
const readEvents = async (
  body: ReadableStream<Uint8Array>,
  handlers: { readonly onBytes: () => void; readonly onEvent: (event: LiveEvent) => void },
): Promise<void> => {
  const parser = createParser({
    onEvent: ({ id, event: kind, data }) => {
      if (isKnown(kind)) handlers.onEvent({ id, event: { event: kind, data: JSON.parse(data) } as StreamEvent });
    },
  });
  const decoder = new TextDecoder();
  const reader = body.getReader();
  for (let part = await reader.read(); !part.done; part = await reader.read()) {
    handlers.onBytes();
    parser.feed(decoder.decode(part.value, { stream: true }));
  }
};

/**
 * Silence after which the connection counts as dead. The hub sends at least a comment every 15 s.
 */
export const WATCHDOG_MS = 40_000;
const BACKOFF = { baseMs: 500, maxMs: 30_000 };

/** State of the live stream, as the masthead shows it. */
export type LiveState =
  | { readonly kind: 'connecting' | 'live' | 'signedOut' | 'paused' }
  /** Retry after the stream was live. `since` is in milliseconds since 1970, here and below. */
  | { readonly kind: 'reconnecting'; readonly since: number }
  /** Retries without an answer of the hub. */
  | { readonly kind: 'unreachable'; readonly since: number }
  /** Answer of the hub other than the stream; `why` is the reason, for people. */
  | { readonly kind: 'refused'; readonly since: number; readonly why: string };

interface ConnectionDeps {
  readonly onState: (state: LiveState) => void;
  readonly onEvent: (event: StreamEvent) => void;
  /** Called when the stream answers, for the first time or again. */
  readonly onLive: () => void;
  /** Called when the session is over; the connection ends. */
  readonly onSignedOut: () => void;
  readonly now: () => number;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  /** Ends early, without an error, when the signal is aborted. */
  readonly sleep: (ms: number, signal: AbortSignal) => Promise<void>;
  readonly fetch?: typeof request;
}

/** Connection to the hub's live stream. It reconnects whenever the stream ends. */
export interface StreamConnection {
  /**
   * Reads the stream until the signal is aborted or the session has ended. If called again,
   * continues where it stopped.
   */
  run(signal: AbortSignal): Promise<void>;
  /** Makes the next attempt now. */
  hurry(): void;
}

/** Aborts if nothing arrives for {@link WATCHDOG_MS}. */
const createWatchdog = (abort: AbortController) => {
  const bark = (): void => abort.abort(new Error('Nothing came for too long.'));
  let timer = setTimeout(bark, WATCHDOG_MS);
  return {
    feed: (): void => {
      clearTimeout(timer);
      timer = setTimeout(bark, WATCHDOG_MS);
    },
    stop: (): void => clearTimeout(timer),
  };
};

const stateAfter = (error: unknown, since: number, failures: number): LiveState => {
  if (error instanceof ApiProblem && error.status < 500) return { kind: 'refused', since, why: error.message };
  // A single interruption is not shown as unreachable: most end at the first attempt.
  return { kind: failures <= 1 ? 'reconnecting' : 'unreachable', since };
};

const askedWaitMs = (error: unknown): number => (error instanceof ApiProblem ? (error.retryAfterS ?? 0) * 1000 : 0);

/**
 * Creates the connection to the stream. It uses fetch, because EventSource reveals neither that the
 * session has ended (401) nor that the connection is dead (heartbeats are comments). Nor can
 * EventSource resume from an id after it was closed.
 */
export const createConnection = (deps: ConnectionDeps): StreamConnection => {
  const { onState, onEvent, onLive, now, random, sleep, fetch = request } = deps;
  const backoff = createBackoff({ ...BACKOFF, random });
  let lastId: string | undefined;
  let since: number | undefined;
  let waiting = new AbortController();

  const becameLive = (): void => {
    backoff.reset();
    since = undefined;
    onState({ kind: 'live' });
    onLive();
  };

  const readOnce = async (signal: AbortSignal): Promise<void> => {
    const attempt = new AbortController();
    const until = AbortSignal.any([signal, attempt.signal]);
    const watchdog = createWatchdog(attempt);
    try {
      const headers = { Accept: 'text/event-stream', ...(lastId === undefined ? {} : { 'Last-Event-ID': lastId }) };
      const { body } = await fetch('/api/v1/stream', { headers, cache: 'no-store' }, until);
      if (body === null) throw new Error('The stream has no body.');
      becameLive();
      await readEvents(body, {
        onBytes: watchdog.feed,
        onEvent: ({ id, event }) => {
          onEvent(event);
          lastId = id ?? lastId;
        },
      });
    } finally {
      watchdog.stop();
      attempt.abort();
    }
  };

  /** @returns whether to try again */
  const failed = async (error: unknown, signal: AbortSignal): Promise<boolean> => {
    if (signal.aborted) return false;
    if (isUnauthorized(error)) {
      onState({ kind: 'signedOut' });
      deps.onSignedOut();
      return false;
    }
    const wait = Math.max(backoff.next(), askedWaitMs(error));
    since ??= now();
    onState(stateAfter(error, since, backoff.failures));
    waiting = new AbortController();
    await sleep(wait, AbortSignal.any([signal, waiting.signal]));
    return !signal.aborted;
  };

  return {
    run: async (signal) => {
      if (since === undefined) onState({ kind: 'connecting' });
      let again = !signal.aborted;
      while (again) {
        const error: unknown = await readOnce(signal).catch((reason: unknown) => reason);
        again = await failed(error, signal);
      }
    },
    hurry: () => waiting.abort(),
  };
};
