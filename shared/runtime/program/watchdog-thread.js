// @ts-check
// Plain JavaScript that imports only what Node.js has: a second loader of TypeScript costs 10 MB.
import { writeSync } from 'node:fs';
import { workerData } from 'node:worker_threads';

/** @type {import('./watchdog.ts').WatchdogSettings} */
const { beats, checkMs, patience } = workerData;
const counter = new Int32Array(beats);

const STDERR = 2;
let seen = Atomics.load(counter, 0);
let misses = 0;

setInterval(() => {
  const now = Atomics.load(counter, 0);
  misses = now === seen ? misses + 1 : 0;
  seen = now;
  if (misses < patience) return;
  // Streams of this thread go through the one that stands still.
  writeSync(STDERR, `fso: the event loop has stood still for ${(misses * checkMs) / 1000} s; the process ends, to be started again\n`);
  process.kill(process.pid, 'SIGKILL');
}, checkMs);
