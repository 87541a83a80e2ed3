import type { Duplex } from 'node:stream';

/**
 * Watches how much comes from a connection. A WebSocket gathers the fragments of a message, and the
 * largest one that it takes cannot be changed once it is open.
 *
 * @param onExceeded called once, when more than `maxBytes` have come
 * @returns a function that lifts the limit
 */
export const limitBytes = (socket: Duplex, maxBytes: number, onExceeded: () => void): (() => void) => {
  let left = maxBytes;
  const lift = (): void => void socket.off('data', count);
  const count = (chunk: Buffer): void => {
    left -= chunk.byteLength;
    if (left >= 0) return;
    lift();
    onExceeded();
  };
  socket.on('data', count);
  return lift;
};
