import type { Writable } from 'node:stream';

/**
 * Combines what is written to a socket in this turn of the event loop. Over TLS each write would be
 * a record and a system call of its own.
 */
export const corkForTurn = (socket: Writable): void => {
  if (socket.writableCorked > 0) return;
  socket.cork();
  process.nextTick(() => socket.uncork());
};
