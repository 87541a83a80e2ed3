import type { Duplex } from 'node:stream';

/**
 * Limits the bytes that come from a connection. A WebSocket collects the fragments of a message,
 * and its own limit of a message cannot be changed once it is open.
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
