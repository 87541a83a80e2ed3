/** Receives one line of progress. */
export type Log = (line: string) => void;

const TERMINAL_MS = 1000;
const LOG_MS = 15_000;
/** Time in ms after which the rate is reliable. */
const GUESS_AFTER_MS = 10_000;
const GUESS_FROM_SHARE = 0.03;

/** Receives progress: permanent lines, and on a terminal one that is rewritten. */
export interface ProgressSink {
  readonly log: Log;
  /** Replaces the last line; an empty line ends that. Absent if the output is not a terminal. */
  readonly status?: Log;
}

const duration = (ms: number): string => {
  const seconds = Math.max(Math.round(ms / 5000) * 5, 5);
  return seconds < 90 ? `${seconds} s` : `${Math.round(seconds / 60)} min`;
};

/**
 * Formats the line that a terminal shows: `preparing gatekeeper: 71 % of the first start, about 2
 * min left`. The estimate uses the rate so far.
 */
export function progressLine(what: string, share: number, elapsedMs: number): string {
  // The last percent is for uncounted work, such as the end of a link.
  const percent = Math.min(Math.floor(share * 100), 99);
  const guessed = elapsedMs >= GUESS_AFTER_MS && share >= GUESS_FROM_SHARE;
  const left = guessed ? `about ${duration((elapsedMs * (1 - share)) / share)} left` : `${Math.round(elapsedMs / 1000)} s so far`;
  return `${what}: ${percent} % of the first start, ${left}`;
}

/**
 * Progress as one share over all tools of a start. A unit is a package to compile or a MiB to
 * download: about a tenth of a second each on two cores and 100 Mbit/s.
 */
export class ToolProgress {
  readonly #sink: ProgressSink;
  readonly #started = performance.now();
  readonly #timer: NodeJS.Timeout;
  /** Progress by tool. */
  readonly #parts = new Map<string, { expected: number; done: number }>();
  #what = 'reading the sources';
  /** The last reported share: it never decreases, even if more work turns up. */
  #share = 0;

  constructor(sink: ProgressSink) {
    this.#sink = sink;
    this.#timer = setInterval(() => this.#report(), sink.status ? TERMINAL_MS : LOG_MS);
    this.#timer.unref();
  }

  /** Sets the total units of a tool; replaces the earlier estimate. */
  expect(tool: string, units: number): void {
    this.#parts.set(tool, { expected: units, done: this.#parts.get(tool)?.done ?? 0 });
  }

  /** Sets the current activity; the tool starts from zero. */
  begin(tool: string, what: string): void {
    this.#what = `${what} ${tool}`;
    this.#parts.set(tool, { expected: this.#parts.get(tool)?.expected ?? 0, done: 0 });
    if (this.#sink.status) this.#report();
  }

  advance(tool: string, units: number): void {
    const part = this.#parts.get(tool);
    if (part) part.done += units;
  }

  finish(tool: string): void {
    const part = this.#parts.get(tool);
    if (part) part.done = part.expected;
  }

  get share(): number {
    let [expected, done] = [0, 0];
    for (const part of this.#parts.values()) {
      expected += part.expected;
      done += Math.min(part.done, part.expected);
    }
    this.#share = Math.max(this.#share, expected === 0 ? 0 : done / expected);
    return this.#share;
  }

  #report(): void {
    const line = progressLine(this.#what, this.share, performance.now() - this.#started);
    (this.#sink.status ?? this.#sink.log)(line);
  }

  end(): void {
    clearInterval(this.#timer);
    this.#sink.status?.('');
  }
}

const ERASE = '\r\u001b[K';

/** Stream that a progress bar is drawn on, if it is a terminal. */
export interface TerminalStream {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

/**
 * Creates a sink for a program's output that formats each line; on a terminal the last line may be
 * rewritten.
 */
export function createTerminal(stream: TerminalStream, format: (line: string) => string): ProgressSink {
  if (!stream.isTTY) return { log: (line) => void stream.write(`${format(line)}\n`) };
  let shown = '';
  // A line that wraps cannot be erased.
  const fitted = (line: string): string => format(line).slice(0, (stream.columns ?? 80) - 1);
  return {
    log: (line) => void stream.write(`${shown && ERASE}${format(line)}\n${shown}`),
    status: (line) => {
      stream.write(`${shown && ERASE}${line && fitted(line)}`);
      shown = line && fitted(line);
    },
  };
}
