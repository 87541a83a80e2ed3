import { isDeepStrictEqual } from 'node:util';

/** A write as far as its echo is concerned; see `Write`. */
export interface EchoedWrite {
  readonly content?: unknown;
  readonly echoMs?: number;
  readonly retry?: { readonly capMs?: number };
  liveVersion(): string | undefined;
}

interface EchoOptions {
  /** Version that the cache had before the write. */
  readonly before: string | undefined;
  /** Time to wait where the write names none, and for a changed write, in ms. */
  readonly echoMs: number;
  /** Monotonic time in ms. */
  readonly now: number;
  /** Echo of the write before to the same target, unless the cache has shown it. */
  readonly last: Echo | undefined;
}

/** Longest wait for the cache to show a write that is repeated, in ms. */
const LONGEST_MS = 30_000;

/** A successful write that the cache may not show yet: plans rest on the state before it. */
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
    // What is written again and again makes a watch that is late later still.
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

  /** Whether the cache is still waited for. */
  isAwaited(now: number): boolean {
    return this.#until > now && !this.isShown;
  }

  /** Ends the wait sooner where the next write to the target is another one. */
  follow({ content }: EchoedWrite): void {
    if (this.#until > this.#changedFrom && !isDeepStrictEqual(content, this.#write.content)) this.#until = this.#changedFrom;
  }
}
