import { constants, fstatSync, openSync, write, writeSync } from 'node:fs';

const STDOUT = 1;
/** Interval of writes, in ms, and the number of waiting bytes that triggers an earlier one. */
const GATHER = { ms: 100, bytes: 4_096 };
/** Most bytes of lines that wait for a slow reader. Further lines are dropped. */
const MAX_BYTES = 1_048_576;
const RETRY_MS = 100;
/** Attempts to write the rest when the process ends, and the pause between them. */
const LAST = { tries: 10, pauseMs: 20 };
/** Time after which an unfinished write counts as stuck, in ms. */
const STUCK_MS = 1_000;
const LINE_FEED = 0x0a;

const isFull = (error: unknown): boolean => Reflect.get(Object(error), 'code') === 'EAGAIN';

const pause = (ms: number): void => void Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);

/** Writes as much as a reader takes within a moment. @returns the rest */
const writeAll = (fd: number, bytes: Buffer): Buffer => {
  let rest = bytes;
  for (let tries = 0; rest.length > 0 && tries < LAST.tries; ) {
    try {
      rest = rest.subarray(writeSync(fd, rest));
    } catch (error) {
      if (!isFull(error)) break;
      tries += 1;
      pause(LAST.pauseMs);
    }
  }
  return rest;
};

const countLines = (bytes: Buffer): number => bytes.reduce((count, byte) => (byte === LINE_FEED ? count + 1 : count), 0);

/**
 * Log lines on their way to a file descriptor. The program does not wait for the reader: lines that
 * are not read in time are dropped and counted.
 *
 * pino's own destination, sonic-boom, keeps writing when a process ends or logs a fatal line. A
 * process whose log is not read would so never end.
 */
export class LogOutput {
  readonly #fd: number;
  #lines: string[] = [];
  /** Size of the lines, in bytes. */
  #bytes = 0;
  /** Lines being written or retried. */
  #batch: Buffer | undefined;
  /** Monotonic time at which the current system call began. */
  #writingSince: number | undefined;
  #startedAt = Number.NEGATIVE_INFINITY;
  #scheduled: 'soon' | 'later' | undefined;
  #dropped = 0;

  /** Gets the number of dropped lines, once lines are read again. */
  onDropped: (lines: number) => void = () => undefined;

  /** @param fd if it blocks, an unread write occupies a thread of Node's pool */
  constructor(fd: number) {
    this.#fd = fd;
  }

  write(line: string): void {
    const bytes = Buffer.byteLength(line);
    if (this.#bytes + (this.#batch?.length ?? 0) + bytes > MAX_BYTES) {
      this.#dropped += 1;
      return;
    }
    this.#lines.push(line);
    this.#bytes += bytes;
    this.#schedule();
  }

  /**
   * Writes waiting lines synchronously, as far as the reader takes them: the process may be about
   * to end.
   */
  flushSync(): void {
    if (this.#writingSince !== undefined && performance.now() - this.#writingSince > STUCK_MS) return;
    const waiting = [this.#takeLines()];
    if (this.#batch !== undefined && this.#writingSince === undefined) {
      waiting.unshift(this.#batch);
      this.#batch = undefined;
    }
    this.#dropped += countLines(writeAll(this.#fd, Buffer.concat(waiting)));
  }

  /**
   * Schedules a write for a later turn of the event loop, so that a fatal line right after this one
   * is part of it.
   */
  #schedule(): void {
    const isDue = this.#bytes >= GATHER.bytes || performance.now() - this.#startedAt >= GATHER.ms;
    const next = isDue ? 'soon' : 'later';
    if (this.#scheduled === 'soon' || this.#scheduled === next) return;
    this.#scheduled = next;
    if (next === 'soon') setImmediate(() => this.#start());
    else setTimeout(() => this.#start(), GATHER.ms).unref();
  }

  #start(): void {
    this.#scheduled = undefined;
    if (this.#batch !== undefined || this.#lines.length === 0) return;
    this.#startedAt = performance.now();
    this.#write(this.#takeLines());
  }

  #takeLines(): Buffer {
    const taken = Buffer.from(this.#lines.join(''));
    this.#lines = [];
    this.#bytes = 0;
    return taken;
  }

  #write(batch: Buffer): void {
    this.#batch = batch;
    this.#writingSince = performance.now();
    write(this.#fd, batch, (error, written) => {
      this.#writingSince = undefined;
      if (isFull(error)) this.#retry(batch);
      else if (error !== null) this.#end(countLines(batch));
      else if (written < batch.length) this.#write(batch.subarray(written));
      else this.#end(0);
    });
  }

  #retry(batch: Buffer): void {
    setTimeout(() => {
      // Unless it was flushed meanwhile.
      if (this.#batch === batch) this.#write(batch);
    }, RETRY_MS).unref();
  }

  /** @param lost number of lines of the batch that could not be written */
  #end(lost: number): void {
    this.#batch = undefined;
    const dropped = this.#dropped + lost;
    this.#dropped = lost > 0 ? dropped : 0;
    if (lost === 0 && dropped > 0) this.onDropped(dropped);
    if (this.#lines.length > 0) this.#schedule();
  }
}

/**
 * Opens standard output without blocking. A pipe is opened again, because the flag on the inherited
 * descriptor would affect all programs that write into the pipe. This works only on Linux, and only
 * with the right to open it.
 */
const openStdout = (): number => {
  try {
    if (fstatSync(STDOUT).isFIFO()) return openSync(`/proc/self/fd/${STDOUT}`, constants.O_WRONLY | constants.O_NONBLOCK);
  } catch {
    // Written to as it is.
  }
  return STDOUT;
};

/**
 * Opens standard output for the log of a program, flushed when the program ends. To be called once.
 */
export const openLogOutput = (): LogOutput => {
  const output = new LogOutput(openStdout());
  process.on('exit', () => output.flushSync());
  return output;
};
