import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { FakeClock } from '@fso/shared/fake-clock';
import { afterEach, describe, expect, it } from 'vitest';
import { type WebSocket, WebSocketServer } from 'ws';
import { Connection, type ConnectionHandlers } from './connection.ts';

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

const handlers = {
  hello: () => ({ type: 'hello' }),
  ages: () => ({ oldestPartMs: 0, oldestKindMs: 0, outOfDate: [] }),
} as unknown as ConnectionHandlers;

const portOf = (server: Server | WebSocketServer): number => (server.address() as AddressInfo).port;

/** @returns how the agent's side ends */
const connect = (port: number, clock = new FakeClock()) => {
  const ended = new AbortController();
  cleanups.push(() => ended.abort());
  return new Connection({ hubUrl: `ws://127.0.0.1:${port}`, token: 'secret' }, handlers, clock).ended(ended.signal);
};

describe('a connection to a hub that does not keep to the protocol', () => {
  it('ends where the handshake is not over in time, although bytes of it come', async () => {
    const sockets: Socket[] = [];
    const asked = Promise.withResolvers<void>();
    const server = createServer((socket) => {
      sockets.push(socket);
      socket.on('error', () => undefined);
      socket.once('data', () => {
        socket.write('HTTP/1.1 401 Unauthorized\r\nX-Slow: ');
        asked.resolve();
      });
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    cleanups.push(
      () => server.close(),
      () => sockets.map((socket) => socket.destroy()),
    );
    const clock = new FakeClock();
    const end = connect(portOf(server), clock);
    await asked.promise;
    await clock.advance(10_000);
    expect(await end).toMatchObject({ kind: 'lost', reason: 'the hub did not answer the handshake in time' });
  });

  it('ends with a frame of too many fragments', async () => {
    const server = new WebSocketServer({ port: 0, host: '127.0.0.1' });
    await once(server, 'listening');
    cleanups.push(() => server.close());
    const accepted = once(server, 'connection');
    void connect(portOf(server));
    const [socket] = (await accepted) as [WebSocket];
    const closed = once(socket, 'close');
    for (let count = 0; count < 513; count += 1) socket.send(' ', { fin: false });
    expect((await closed)[0]).toBe(1008);
  });
});
