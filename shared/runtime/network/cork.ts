import type { Writable } from 'node:stream';

/**
 * Gathers what is written to a socket in this turn of the event loop into one write: over TLS each
 * write is a record, and a call of the system, of its own.
 */
export const corkForTurn = (socket: Writable): void => {
  if (socket.writableCorked > 0) return;
  socket.cork();
  process.nextTick(() => socket.uncork());
};
