import { subscribe } from 'node:diagnostics_channel';
import type { ClientRequest } from 'node:http';
import type { Socket } from 'node:net';

/**
 * Sockets of the streams that this process has opened, by their authorization, because a stream
 * does not expose its own.
 */
const sockets = new Map<string, Socket>();

/**
 * Whether a message of the channel is about an upgrade request. @see
 * https://nodejs.org/api/diagnostics_channel.html#http
 */
const isRequest = (message: unknown): message is { readonly request: ClientRequest } =>
  typeof message === 'object' && message !== null && 'request' in message;

subscribe('http.client.request.created', (message) => {
  if (!isRequest(message)) return;
  const { request } = message;
  const proof = request.getHeader('authorization');
  if (typeof proof === 'string') request.once('upgrade', (_response, socket: Socket) => sockets.set(proof, socket));
});

/**
 * Permanently stops reading the newest stream that a token opened. Data of the hub then fills the
 * kernel's buffers, until the TCP window is closed.
 */
export const stopReading = (token: string): void => {
  const socket = sockets.get(`Bearer ${token}`);
  // The stream resumes by itself once it has processed its buffer.
  socket?.on('resume', () => socket.pause());
  socket?.pause();
};
