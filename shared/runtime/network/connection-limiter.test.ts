import { once } from 'node:events';
import { createServer } from 'node:http';
import { type AddressInfo, connect, type Server, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { FakeClock } from '../testing/fake-clock.ts';
import { API_CONNECTION_LIMITS, ConnectionLimiter, type ConnectionLimits, DEFAULT_CONNECTION_LIMITS } from './connection-limiter.ts';

const LIMITS = { ...DEFAULT_CONNECTION_LIMITS, perHolder: 3, total: 5, graceMs: 2_000 };

let server: Server;
const clients: Socket[] = [];
afterEach(async () => {
  for (const socket of clients.splice(0)) socket.destroy();
  await new Promise((resolve) => server.close(resolve));
});

const start = async (limits: ConnectionLimits = LIMITS) => {
  const http = createServer();
  server = http;
  const clock = new FakeClock();
  const limiter = new ConnectionLimiter(limits, clock);
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

  it('are not counted once they have, nor once they are closed', async () => {
    const { limiter, open } = await start();
    const opened = [await open(), await open(), await open()] as const;
    const listeners = opened[0].peer.listenerCount('close');
    limiter.release(opened[0].peer);
    expect(opened[0].peer.listenerCount('close')).toBe(listeners - 1);
    opened[1].socket.destroy();
    await expect.poll(() => limiter.unproven).toBe(1);
    opened[0].socket.destroy();
    await once(opened[0].peer, 'close');
    expect(limiter.unproven).toBe(1);
  });

  it('give way to others where one holder has far more than its share', async () => {
    const { open } = await start({ ...LIMITS, perHolder: 20, total: 22 });
    const many: Opened[] = [];
    for (let n = 0; n < 17; n += 1) many.push(await open());
    const few: Opened[] = [];
    for (let n = 1; n <= 5; n += 1) few.push(await open(`127.0.${n}.1`));
    const other = await open('127.0.6.1');
    await expect.poll(() => closedOf(many).filter((isClosed) => isClosed)).toEqual([true]);
    // It has no more than any holder may have, so the newest one gives way.
    const surplus = await open('127.0.7.1');
    await expect.poll(() => surplus.state.isClosed).toBe(true);
    expect(closedOf([...many.slice(1), ...few, other])).not.toContain(true);
  });

  it('survive for a subnet with a few handshakes beside many subnets with one each', async () => {
    const { clock, open } = await start();
    const silent = [await open('127.0.1.1'), await open('127.0.2.1')];
    await clock.advance(1_000);
    const fleet = [await open(), await open()];
    silent.push(await open('127.0.3.1'));
    const surplus = await open('127.0.4.1');
    await expect.poll(() => surplus.state.isClosed).toBe(true);
    await clock.advance(1_000);
    const later = await open('127.0.5.1');
    await expect.poll(() => closedOf(silent)).toEqual([true, false, false]);
    expect(closedOf([...fleet, later])).toEqual([false, false, false]);
  });

  it('never exclude a probe from the API, from the same subnet or from many', async () => {
    const { open } = await start({ ...API_CONNECTION_LIMITS, perHolder: 3, total: 5 });
    const same = [await open('127.0.0.2'), await open('127.0.0.2'), await open('127.0.0.2'), await open('127.0.0.2')];
    const probe = await open('127.0.0.1');
    await expect.poll(() => closedOf(same)).toEqual([true, false, false, false]);
    const others = [await open('127.0.1.1'), await open('127.0.2.1')];
    const later = await open('127.0.0.1');
    await expect.poll(() => closedOf(same)).toEqual([true, true, true, false]);
    expect(closedOf([probe, ...others, later])).toEqual([false, false, false, false]);
  });
});
