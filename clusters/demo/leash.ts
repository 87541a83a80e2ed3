/**
 * Loaded before a program of the demo (`node --import`): ends it when the demo is gone, however the demo ended. The demo
 * holds the other end of the program's standard input, and the system closes it.
 */
const KILL_AFTER_MS = 5000;

process.stdin.once('close', () => {
  process.kill(process.pid, 'SIGTERM');
  setTimeout(() => process.exit(1), KILL_AFTER_MS).unref();
});
process.stdin.resume();
// A pipe is a socket; a program that is done must not be kept by it.
(process.stdin as unknown as { unref(): void }).unref();
