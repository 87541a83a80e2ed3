import { Worker } from 'node:worker_threads';

/** Settings of the watching thread. */
export interface WatchdogSettings {
  /** Counter that increases while the event loop turns. */
  readonly beats: SharedArrayBuffer;
  readonly checkMs: number;
  /** Consecutive checks without a beat before the process is ended. */
  readonly patience: number;
}

const BEAT_MS = 1000;

/**
 * Ends the process if its event loop has been blocked for a minute: it then handles no signals,
 * while a supervisor sees a live process. Acknowledged data is on disk, and the next start
 * continues from there.
 *
 * Counts heartbeats rather than elapsed time, so that a suspended machine is not mistaken for a
 * blocked process.
 */
export const startWatchdog = ({ checkMs = 5000, patience = 12 }: Partial<Omit<WatchdogSettings, 'beats'>> = {}): void => {
  const beats = new SharedArrayBuffer(4);
  const counter = new Int32Array(beats);
  setInterval(() => Atomics.add(counter, 0, 1), Math.min(BEAT_MS, checkMs / 2)).unref();
  const settings: WatchdogSettings = { beats, checkMs, patience };
  new Worker(new URL('./watchdog-thread.js', import.meta.url), { workerData: settings, execArgv: [] }).unref();
};
