import { subscribe } from 'node:diagnostics_channel';
import type { ClientRequest } from 'node:http';
import type { Socket } from 'node:net';

/**
 * Sockets of the streams that this process has opened, by the authorization that opened them: a
 * stream does not hand out its own.
 */
const sockets = new Map<string, Socket>();

/**
 * Whether a message of the channel is of a request that upgrades. @see
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
 * Stops reading the newest stream that a token opened, for ever: what the hub sends fills the
 * buffers of the kernel, and then the TCP window is closed.
 */
export const stopReading = (token: string): void => {
  const socket = sockets.get(`Bearer ${token}`);
  // The stream reads on by itself once it has taken in what it had.
  socket?.on('resume', () => socket.pause());
  socket?.pause();
};
