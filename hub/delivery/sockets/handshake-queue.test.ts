import { once } from 'node:events';
import { createServer, type Server } from 'node:https';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { FakeClock } from '@fso/shared/fake-clock';
import { DEFAULT_CONNECTION_LIMITS } from '@fso/shared/runtime';
import { afterEach, describe, expect, it } from 'vitest';
import { HandshakeQueue, type QueueLimits } from './handshake-queue.ts';

const UNPROVEN = { ...DEFAULT_CONNECTION_LIMITS, perHolder: 2, total: 4, graceMs: 5_000 };
const LIMITS: QueueLimits = { maxWaiting: 6, waitMs: 20_000, maxYoung: 2 };

let server: Server;
/**
 * Sockets of both sides, to be destroyed: one from which nothing is read does not notice that the
 * other has gone.
 */
const sockets: Socket[] = [];
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  await new Promise((resolve) => server.close(resolve));
});

/**
 * A listener whose handshakes begin and are not answered: who proves itself, and when, is up to the
 * test.
 */
const start = async (limits: Partial<QueueLimits> = {}) => {
  server = createServer({ pauseOnConnect: true });
  server.removeAllListeners('connection');
  const accepted: Socket[] = [];
  const ports: (number | undefined)[] = [];
  server.on('connection', (socket: Socket) => ports.push(socket.remotePort));
  const clock = new FakeClock();
  const queue = new HandshakeQueue(UNPROVEN, { ...LIMITS, ...limits }, clock);
  queue.watch(server);
  server.on('connection', (socket: Socket) => {
    accepted.push(socket);
    sockets.push(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const names = new Map<number | undefined, string>();
  const started = () => ports.map((remotePort) => names.get(remotePort));
  const closed: string[] = [];
  /**
   * Connects and sends something; the subnet is a number. Resolves once the hub has taken or
   * refused it.
   */
  const open = async (name: string, subnet = 0) => {
    const count = accepted.length;
    const socket = connect({ host: '127.0.0.1', port, localAddress: `127.0.${subnet}.1` });
    sockets.push(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => closed.push(name));
    await once(socket, 'connect');
    names.set(socket.localPort, name);
    socket.write('hello');
    await expect.poll(() => accepted.length).toBe(count + 1);
    const peer = accepted.at(-1) as Socket;
    return { socket, peer, prove: () => queue.release(peer) };
  };
  return { clock, queue, open, started, closed };
};

describe('connections above the limits', () => {
  it('wait unread, and begin their handshakes in their order as those before them end', async () => {
    const { queue, open, started } = await start();
    const first = await open('a');
    const second = await open('b');
    const third = await open('c');
    await open('d');
    expect(queue.waiting).toBe(2);
    expect([third.peer.bytesRead, third.peer.isPaused()]).toEqual([0, true]);
    first.prove();
    expect([started().length, queue.waiting]).toEqual([3, 1]);
    second.peer.destroy();
    await expect.poll(() => queue.waiting).toBe(0);
    expect(started().slice(2)).toEqual(['c', 'd']);
  });

  it('never delay another subnet by those of one subnet', async () => {
    const { queue, open, started } = await start({ maxWaiting: 100 });
    for (let n = 0; n < 20; n += 1) await open(`many ${n}`);
    const other = await open('other', 1);
    const next = await open('next', 2);
    await open('later', 2);
    await open('last', 3);
    // All have as many as they may together: the one that has fewest comes next.
    expect([started().slice(2), queue.waiting]).toEqual([['other', 'next'], 20]);
    other.prove();
    next.prove();
    expect(started().slice(4)).toEqual(['last', 'later']);
  });

  it('take the places of silent ones that have had their time', async () => {
    const { clock, queue, open, started, closed } = await start();
    for (const name of ['a', 'b', 'c']) await open(name);
    await clock.advance(4_000);
    expect(started()).toEqual(['a', 'b']);
    await clock.advance(2_000);
    await expect.poll(() => closed).toEqual(['a']);
    expect([started(), queue.waiting]).toEqual([['a', 'b', 'c'], 0]);
  });

  it('wait while many of their subnet have just begun', async () => {
    const { clock, queue, open, started } = await start({ maxYoung: 1 });
    for (const name of ['a', 'b']) await open(name);
    await open('other', 1);
    expect(started()).toEqual(['a', 'other']);
    await clock.advance(1_000);
    expect([started(), queue.waiting]).toEqual([['a', 'other', 'b'], 0]);
  });

  it('are closed after a time, also while nothing moves', async () => {
    const { clock, queue, open, closed } = await start({ waitMs: 2_000 });
    for (const name of ['a', 'b', 'c']) await open(name);
    await clock.advance(1_000);
    await open('d');
    await clock.advance(1_250);
    await expect.poll(() => closed).toEqual(['c']);
    expect(queue.waiting).toBe(1);
  });

  it('are closed beyond a number, of the subnet that has most of them', async () => {
    const { queue, open, closed } = await start();
    for (let n = 0; n < 8; n += 1) await open(`many ${n}`);
    for (const name of ['x', 'y']) await open(name, 1);
    expect(queue.waiting).toBe(6);
    await open('surplus');
    await expect.poll(() => closed).toEqual(['surplus']);
    // Its own connections are under way, and one more of it waits in the place of the newest of the
    // others.
    await open('z', 1);
    await expect.poll(() => closed).toEqual(['surplus', 'many 7']);
    expect(queue.waiting).toBe(6);
  });
});
