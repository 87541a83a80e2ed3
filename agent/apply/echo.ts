import { isDeepStrictEqual } from 'node:util';

/** Fields of a write that determine its echo; see `Write`. */
export interface EchoedWrite {
  readonly content?: unknown;
  readonly echoMs?: number;
  readonly retry?: { readonly capMs?: number };
  liveVersion(): string | undefined;
}

interface EchoOptions {
  /** Version that the cache had before the write. */
  readonly before: string | undefined;
  /** Wait if the write itself defines none, or if the next write has other content, in ms. */
  readonly echoMs: number;
  /** Monotonic time in ms. */
  readonly now: number;
  /** Echo of the previous write to the same target, unless the cache has shown it. */
  readonly last: Echo | undefined;
}

/** Longest wait for a repeated write, in ms. */
const LONGEST_MS = 30_000;

/**
 * Tracks a successful write until the cache shows it. Until then plans are based on the state
 * before the write.
 */
export class Echo {
  readonly #write: EchoedWrite;
  readonly #before: string | undefined;
  readonly #waitMs: number;
  readonly #changedFrom: number;
  #until: number;

  constructor(write: EchoedWrite, { before, echoMs, now, last }: EchoOptions) {
    const firstMs = write.echoMs ?? echoMs;
    const longestMs = Math.max(firstMs, Math.min(LONGEST_MS, write.retry?.capMs ?? LONGEST_MS));
    this.#write = write;
    this.#before = before;
    // Repeated writes would delay a slow watch even more.
    this.#waitMs = last === undefined ? firstMs : Math.min(longestMs, 2 * last.#waitMs);
    this.#changedFrom = now + echoMs;
    this.#until = now + this.#waitMs;
  }

  /** Monotonic time in ms at which the wait ends. */
  get until(): number {
    return this.#until;
  }

  get isShown(): boolean {
    return this.#before !== this.#write.liveVersion();
  }

  /** Whether the cache has not shown the write yet and the wait goes on. */
  isAwaited(now: number): boolean {
    return this.#until > now && !this.isShown;
  }

  /** Shortens the wait if the next write to the target has other content. */
  follow({ content }: EchoedWrite): void {
    if (this.#until > this.#changedFrom && !isDeepStrictEqual(content, this.#write.content)) this.#until = this.#changedFrom;
  }
}
