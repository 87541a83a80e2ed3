import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { corkForTurn } from '@fso/shared/runtime';
import { type WebSocket, WebSocketServer } from 'ws';
import { createAgentServer } from '../../../hub/delivery/sockets/agent-server.ts';
import { createAuthority, type KeyPair } from '../../../hub/identity/index.ts';

/**
 * Process with the hub's own listener for agents. It accepts each stream and exchanges messages on
 * request, to measure the cost of handshakes and messages alone.
 */

/** Order to send a message to each stream, and to wait for one response from each. */
export interface ExchangeOrder {
  /** Size of the message. */
  readonly bytes: number;
}

export interface Exchange {
  readonly streams: number;
  /** CPU of this process. */
  readonly cpuMs: number;
}

interface BareStream {
  readonly stream: WebSocket;
  readonly socket: Duplex;
}

const streams: BareStream[] = [];
let onAnswer = (): void => undefined;

const open = (stream: WebSocket, socket: Duplex): void => {
  streams.push({ stream, socket });
  stream.on('error', () => undefined);
  stream.on('message', () => onAnswer());
};

const exchange = async ({ bytes }: ExchangeOrder): Promise<Exchange> => {
  const message = Buffer.alloc(bytes, 'x');
  const answered = Promise.withResolvers<void>();
  let waiting = streams.length;
  onAnswer = () => {
    waiting -= 1;
    if (waiting === 0) answered.resolve();
  };
  const before = process.cpuUsage();
  for (const { stream, socket } of streams) {
    corkForTurn(socket);
    stream.send(message, { binary: false });
  }
  await answered.promise;
  const { user, system } = process.cpuUsage(before);
  return { streams: streams.length, cpuMs: (user + system) / 1000 };
};

const HOST = '127.0.0.1';
const HOUR_MS = 3_600_000;

const serve = async (ca: KeyPair): Promise<number> => {
  const authority = createAuthority(ca);
  const validity = { notBefore: new Date(Date.now() - HOUR_MS), notAfter: new Date(Date.now() + HOUR_MS) };
  const { cert, key } = await authority.issueServer([HOST], validity);
  const context = { cert: `${cert}${authority.bundle}`, key, ca: authority.bundle, minVersion: 'TLSv1.2' as const };
  const server = createAgentServer(undefined, {
    certificate: { context: () => context, expires: () => validity.notAfter, run: async () => undefined },
    listener: (_request, response) => void response.writeHead(426).end(),
  });
  const webSockets = new WebSocketServer({ noServer: true, clientTracking: false, perMessageDeflate: false });
  server.on('upgrade', (request, socket, head) => webSockets.handleUpgrade(request, socket, head, (stream) => open(stream, socket)));
  const listening = Promise.withResolvers<void>();
  server.listen(0, HOST, () => listening.resolve());
  await listening.promise;
  return (server.address() as AddressInfo).port;
};

process.once('message', async (ca: KeyPair) => {
  process.send?.({ url: `wss://${HOST}:${await serve(ca)}` });
  process.on('message', async (order: ExchangeOrder) => process.send?.(await exchange(order)));
});
process.once('disconnect', () => process.exit(0));
