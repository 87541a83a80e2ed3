import { type Backoff, createBackoff, type Runtime } from '@fso/shared/runtime';
import { Connection, type ConnectionHandlers, createReadPace, type ReadPace, type StreamState } from './connection.ts';
import type { ConnectionEnd } from './connection-end.ts';
import type { ClientCertificate, ConnectionConfig } from './hub-socket.ts';

/** Handlers for a connection and for its end. */
export interface DiallerHandlers extends ConnectionHandlers {
  /** Called at the end of every connection, even if it never opened. */
  onEnd(): void;
}

/** Address of the hub, and how the agent proves itself. */
export interface DiallerOptions extends Runtime {
  readonly config: ConnectionConfig;
  /** Returns the certificate that replaces the token. Called and awaited on each dial. */
  readonly certificate?: ((signal: AbortSignal) => Promise<ClientCertificate>) | undefined;
}

/**
 * Waits between dials, in ms. After a restart of the hub, all agents reconnect within the maximum;
 * it can admit as many at once.
 */
const RETRY = { baseMs: 500, maxMs: 15_000 };
/**
 * Longest wait after a refusal, in ms; the shortest is half of it. A refusal does not end by
 * itself.
 */
const REJECTED_RETRY_MS = 30_000;
/** Longest time for which a hub can keep an agent away, in ms. */
const MAX_RETURN_MS = 300_000;
/** Duration in ms after which a connection counts as good and resets the backoff. */
const GOOD_AFTER_MS = 10_000;

const stateAfter = ({ kind }: ConnectionEnd): 'rejected' | 'untrusted' | 'disconnected' =>
  kind === 'rejected' || kind === 'untrusted' ? kind : 'disconnected';

/** Keeps a connection to the hub, redialling whenever it ends. */
export class Dialler {
  readonly handlers: DiallerHandlers;
  readonly #options: DiallerOptions;
  readonly #backoff: Backoff;
  readonly #pace: ReadPace;
  readonly #listeners = new Set<(state: StreamState) => void>();
  #state: StreamState = { state: 'connecting', attempt: 0 };

  constructor(options: DiallerOptions, handlers: DiallerHandlers) {
    this.#options = options;
    this.#backoff = createBackoff({ ...RETRY, random: options.random });
    this.#pace = createReadPace(options.clock);
    this.handlers = handlers;
  }

  get state(): StreamState {
    return this.#state;
  }

  onStateChange(listener: (state: StreamState) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Records progress on this connection, which resets the backoff. */
  progressed(): void {
    this.#backoff.reset();
  }

  /** Runs until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock } = this.#options;
    while (!signal.aborted) {
      this.#enter({ state: 'connecting', attempt: this.#backoff.failures });
      const startedAt = clock.monotonicMs();
      const end = await this.#connect(signal);
      this.handlers.onEnd();
      if (signal.aborted) return;
      if (this.#state.state === 'connected' && clock.monotonicMs() - startedAt >= GOOD_AFTER_MS) this.#backoff.reset();
      const retryInMs = this.#retryInMs(end);
      this.#enter({ state: stateAfter(end), reason: end.reason, retryInMs });
      await clock.sleep(retryInMs, signal);
    }
  }

  async #connect(signal: AbortSignal): Promise<ConnectionEnd> {
    const handlers: ConnectionHandlers = {
      hello: () => this.handlers.hello(),
      ages: () => this.handlers.ages(),
      onFrame: (frame) => this.handlers.onFrame(frame),
      onDrained: () => this.handlers.onDrained?.(),
      onWelcome: (welcome, connection) => {
        this.#enter({ state: 'connected', hubVersion: welcome.hubVersion });
        this.handlers.onWelcome(welcome, connection);
      },
    };
    const { config, certificate } = this.#options;
    return new Connection(config, handlers, this.#pace, await certificate?.(signal)).ended(signal);
  }

  #retryInMs({ kind, returnMs = 0 }: ConnectionEnd): number {
    if (kind === 'renewed') return 0;
    const { random } = this.#options;
    const retryInMs = Math.max(this.#backoff.next(), random() * Math.min(returnMs, MAX_RETURN_MS));
    return Math.round(kind === 'rejected' ? (REJECTED_RETRY_MS * (1 + random())) / 2 : retryInMs);
  }

  #enter(state: StreamState): void {
    const { logger } = this.#options;
    this.#state = state;
    if (state.state === 'rejected') logger.error(state, 'hub refuses this agent');
    else if (state.state === 'disconnected' || state.state === 'untrusted') logger.warn(state, 'stream to the hub is down');
    else logger.info(state, 'stream to the hub');
    for (const listener of this.#listeners) listener(state);
  }
}
