import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { FakeClock } from '@fso/shared/fake-clock';
import { type AgentFrame, EMPTY_DIGEST, encodeFrame, PROTOCOL_VERSION } from '@fso/shared/protocol';
import { type Clock, systemClock } from '@fso/shared/runtime';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { type WebSocket, WebSocketServer } from 'ws';
import { Connection, type ConnectionHandlers, createReadPace } from './connection.ts';
import type { ConnectionEnd } from './connection-end.ts';
import type { ConnectionConfig } from './hub-socket.ts';

const WELCOME = encodeFrame({
  type: 'welcome',
  protocol: PROTOCOL_VERSION,
  hubVersion: 'test',
  time: '2026-01-01T00:00:00.000Z',
  reported: { seq: 0, policies: EMPTY_DIGEST, cluster: null, baseline: null },
});

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
const connect = (port: number, clock: Clock = new FakeClock(), config: Partial<ConnectionConfig> = {}) => {
  const ended = new AbortController();
  cleanups.push(() => ended.abort());
  const whole = { hubUrl: `ws://127.0.0.1:${port}`, token: 'secret', ...config };
  return new Connection(whole, handlers, createReadPace(clock)).ended(ended.signal);
};

/** Expects a handshake that is never over to end a connection after a minute. */
const expectTimeout = async (end: Promise<ConnectionEnd>, clock: FakeClock): Promise<void> => {
  const isOver = vi.fn();
  void end.then(isOver);
  await clock.advance(59_000);
  expect(isOver).not.toHaveBeenCalled();
  await clock.advance(1_000);
  expect(await end).toMatchObject({ kind: 'lost', reason: 'the hub did not answer the handshake in time' });
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
    await expectTimeout(end, clock);
  });

  it('waits for a tunnel through a proxy as long as for a handshake', async () => {
    const proxy = createServer().listen(0, '127.0.0.1');
    await once(proxy, 'listening');
    const sockets: Socket[] = [];
    const asked = new Promise<void>((resolve) => {
      proxy.on('connection', (socket) => {
        sockets.push(socket);
        socket.on('error', () => undefined).once('data', () => resolve());
      });
    });
    cleanups.push(
      () => proxy.close(),
      () => sockets.map((socket) => socket.destroy()),
    );
    const clock = new FakeClock();
    const way = { HTTPS_PROXY: `http://127.0.0.1:${portOf(proxy)}`, NO_PROXY: '' };
    const end = connect(0, clock, { hubUrl: 'wss://hub.example.com', proxy: way });
    await asked;
    await expectTimeout(end, clock);
  });

  it('ends where the TCP connection is not there in time', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    cleanups.push(() => server.close());
    // Any time is over before the network can answer.
    const clock = { ...systemClock, sleep: () => Promise.resolve() };
    expect(await connect(portOf(server), clock)).toMatchObject({ kind: 'lost', reason: 'the hub cannot be reached' });
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

/** A connection that its hub has welcomed, with both ends of it. */
const openConnection = async (more: Partial<ConnectionHandlers> = {}) => {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1' });
  await once(server, 'listening');
  const accepted = once(server, 'connection');
  const clock = new FakeClock();
  const welcomed = Promise.withResolvers<Connection>();
  const onWelcome: ConnectionHandlers['onWelcome'] = (_welcome, connection) => welcomed.resolve(connection);
  const config = { hubUrl: `ws://127.0.0.1:${portOf(server)}`, token: 'secret' };
  const stop = new AbortController();
  const ended = new Connection(config, { ...handlers, onWelcome, ...more }, createReadPace(clock)).ended(stop.signal);
  const [socket] = (await accepted) as [WebSocket];
  cleanups.push(
    () => server.close(),
    () => socket.terminate(),
    () => stop.abort(),
  );
  socket.send(WELCOME);
  return { connection: await welcomed.promise, ended, socket, clock };
};
const MIB = 1024 * 1024;
const largeFrame = { type: 'nack', revision: '', reasons: [{ message: 'x'.repeat(MIB) }] } as unknown as AgentFrame;

describe('a connection to a hub that does not read', () => {
  it('ends before what waits for it takes the memory', async () => {
    const { connection, ended, socket } = await openConnection();
    socket.pause();
    for (let count = 0; count < 64; count += 1) connection.send(largeFrame);
    expect(await ended).toEqual({ kind: 'lost', reason: 'the hub does not read' });
  });

  it('makes the text of a list once, however often the hub asks for it', async () => {
    const { connection, socket } = await openConnection();
    const texts: string[] = [];
    socket.on('message', (data) => texts.push(String(data)));
    const policies = vi.fn(() => []);
    const frame = { type: 'listed', list: 'f'.repeat(64), policies: { toJSON: policies } } as unknown as AgentFrame;
    for (let count = 0; count < 3; count += 1) connection.send(frame);
    await expect.poll(() => texts.filter((text) => text.includes('listed'))).toHaveLength(3);
    expect(policies).toHaveBeenCalledTimes(1);
  });

  it('reports when the hub falls behind, and when it has caught up', async () => {
    const drained = Promise.withResolvers<void>();
    const { connection, socket } = await openConnection({ onDrained: () => drained.resolve() });
    expect(connection.isBehind).toBe(false);
    socket.pause();
    for (let count = 0; count < 16; count += 1) connection.send(largeFrame);
    expect(connection.isBehind).toBe(true);
    socket.resume();
    await drained.promise;
    expect(connection.isBehind).toBe(false);
  });
});

describe('a connection to a hub whose frames cost much', () => {
  const digest = encodeFrame({ type: 'digest', digest: EMPTY_DIGEST, seq: 1 });
  /** Opens a connection on which each frame takes this many milliseconds of CPU time. */
  const openCostly = async (costMs: number) => {
    let spentMs = 0;
    vi.spyOn(process, 'threadCpuUsage').mockImplementation(() => ({ user: spentMs * 1000, system: 0 }));
    cleanups.push(() => vi.restoreAllMocks());
    let taken = 0;
    const onFrame = (): void => {
      spentMs += costMs;
      taken += 1;
    };
    const opened = await openConnection({ onFrame });
    return { ...opened, taken: () => taken };
  };
  /** Resolves once the agent's side has had time to read what came, if it reads. */
  const settled = async (clock: FakeClock): Promise<void> => {
    for (let turn = 0; turn < 50; turn += 1) await clock.advance(0);
  };

  it('reads no further until their CPU time is paid for, and treats the hub as alive meanwhile', async () => {
    const { socket, clock, taken, ended } = await openCostly(500);
    const isOver = vi.fn();
    void ended.then(isOver);
    // Of one read of the socket each, so that those before it are judged first.
    const sendNext = async (): Promise<void> => {
      socket.send(digest);
      await settled(clock);
    };
    for (const count of [1, 2, 3]) {
      socket.send(digest);
      await expect.poll(taken).toBe(count);
    }
    await sendNext();
    expect(taken()).toBe(3);
    await clock.advance(2_400);
    await settled(clock);
    expect(taken()).toBe(3);
    await clock.advance(200);
    await expect.poll(taken).toBe(4);
    expect(isOver).not.toHaveBeenCalled();
  });

  it('is not lost over a pause that is longer than pings wait', async () => {
    const { socket, clock, taken, ended } = await openCostly(20_000);
    const isOver = vi.fn();
    void ended.then(isOver);
    socket.send(digest);
    await expect.poll(taken).toBe(1);
    socket.send(digest);
    for (let ms = 0; ms < 90_000; ms += 5_000) await clock.advance(5_000);
    await settled(clock);
    expect([taken(), isOver.mock.calls]).toEqual([1, []]);
    await clock.advance(10_000);
    await expect.poll(taken).toBe(2);
    expect(isOver).not.toHaveBeenCalled();
  });
});
