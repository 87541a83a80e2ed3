import { once } from 'node:events';
import { createServer } from 'node:http';
import { type AddressInfo, connect, type Server, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { FakeClock } from '../testing/fake-clock.ts';
import { ConnectionLimiter } from './connection-limiter.ts';

const LIMITS = { perSubnet: 3, total: 5, graceMs: 2_000 };

let server: Server;
const clients: Socket[] = [];
afterEach(async () => {
  for (const socket of clients.splice(0)) socket.destroy();
  await new Promise((resolve) => server.close(resolve));
});

const start = async () => {
  const http = createServer();
  server = http;
  const clock = new FakeClock();
  const limiter = new ConnectionLimiter(LIMITS, clock);
  limiter.watch(http);
  http.listen(0, '127.0.0.1');
  await once(http, 'listening');
  const { port } = http.address() as AddressInfo;
  /** Connects, from an address of its own if need be, and waits until the server has seen it. */
  const open = async (localAddress = '127.0.0.1') => {
    const accepted = once(http, 'connection') as Promise<[Socket]>;
    const socket = connect({ host: '127.0.0.1', port, localAddress });
    clients.push(socket);
    const state = { isClosed: false };
    socket.on('error', () => undefined);
    socket.once('close', () => {
      state.isClosed = true;
    });
    const [[peer]] = await Promise.all([accepted, once(socket, 'connect')]);
    return { socket, peer, state };
  };
  return { clock, limiter, open };
};

type Opened = Awaited<ReturnType<Awaited<ReturnType<typeof start>>['open']>>;
const closedOf = (opened: readonly Opened[]): boolean[] => opened.map(({ state }) => state.isClosed);

describe('connections that have not proven who they are', () => {
  it('are closed beyond a number while those before them are young, and take the place of the oldest that is not', async () => {
    const { clock, limiter, open } = await start();
    const first = [await open(), await open(), await open()];
    const surplus = await open();
    await expect.poll(() => surplus.state.isClosed).toBe(true);
    expect([closedOf(first), limiter.unproven]).toEqual([[false, false, false], 3]);
    await clock.advance(2_000);
    const later = await open();
    await expect.poll(() => closedOf(first)).toEqual([true, false, false]);
    expect([later.state.isClosed, limiter.unproven]).toEqual([false, 3]);
  });

  it('are counted neither once they have, nor once they are closed', async () => {
    const { limiter, open } = await start();
    const opened = [await open(), await open(), await open()] as const;
    limiter.release(opened[0].peer);
    opened[1].socket.destroy();
    await expect.poll(() => limiter.unproven).toBe(1);
    opened[0].socket.destroy();
    await once(opened[0].peer, 'close');
    expect(limiter.unproven).toBe(1);
  });

  it('of the subnet with the most give way where all together are too many', async () => {
    const { limiter, open } = await start();
    const many = [await open(), await open('127.0.0.2'), await open('127.0.0.3')];
    const few = [await open('127.0.1.1'), await open('127.0.1.2')];
    const other = await open('127.0.2.1');
    await expect.poll(() => closedOf(many)).toEqual([true, false, false]);
    expect([closedOf([...few, other]), limiter.unproven]).toEqual([[false, false, false], 5]);
    // Of those with as many as any other the newest one gives way.
    const surplus = await open('127.0.1.3');
    await expect.poll(() => surplus.state.isClosed).toBe(true);
    expect(closedOf([...many.slice(1), ...few, other])).toEqual([false, false, false, false, false]);
  });
});
