/**
 * Ends a program of the demo once the demo has exited, however it ended (loaded with
 * `node --import`). The demo holds the other end of the program's standard input, and the operating
 * system closes it. JavaScript, so that a program which is measured loads nothing for types.
 */
const KILL_AFTER_MS = 5000;

process.stdin.once('close', () => {
  process.kill(process.pid, 'SIGTERM');
  setTimeout(() => process.exit(1), KILL_AFTER_MS).unref();
});
process.stdin.resume();
// A pipe is a socket: without this it would keep a finished program alive.
process.stdin.unref();
