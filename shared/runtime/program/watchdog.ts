import { Worker } from 'node:worker_threads';

/** Settings of the thread that watches. */
export interface WatchdogSettings {
  /** Counts up while the event loop turns. */
  readonly beats: SharedArrayBuffer;
  readonly checkMs: number;
  /** Checks in a row that see no beat before the process is ended. */
  readonly patience: number;
}

const BEAT_MS = 1000;

/**
 * Ends the process when its event loop has stood still for a minute: it handles no signal then, and
 * a supervisor sees a live process. What was acknowledged is on disk; the next start goes on from
 * there.
 *
 * Beats are counted, not timed: a machine that slept has not stood still.
 */
export const startWatchdog = ({ checkMs = 5000, patience = 12 }: Partial<Omit<WatchdogSettings, 'beats'>> = {}): void => {
  const beats = new SharedArrayBuffer(4);
  const counter = new Int32Array(beats);
  setInterval(() => Atomics.add(counter, 0, 1), Math.min(BEAT_MS, checkMs / 2)).unref();
  const settings: WatchdogSettings = { beats, checkMs, patience };
  new Worker(new URL('./watchdog-thread.js', import.meta.url), { workerData: settings, execArgv: [] }).unref();
};
