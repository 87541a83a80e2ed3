import { once } from 'node:events';
import { CLOSE_CODES, encodeAges } from '@fso/shared/protocol';
import { afterEach, beforeEach, expect, it } from 'vitest';
import WebSocket from 'ws';
import { type DeliveryHarness, startDelivery } from './testing/delivery-harness.ts';
import { encodeHello, encodeReport, frameTypesOf } from './testing/frames.ts';

let bench: DeliveryHarness;
beforeEach(async () => {
  bench = await startDelivery();
});
afterEach(() => bench.close());

it('keeps a stream whose frame waits for the ledger for any time, and ends a silent one', async () => {
  const own = await startDelivery({ heartbeatMs: 250 });
  const stop = new AbortController();
  const running = own.delivery.run(stop.signal);
  try {
    const released = Promise.withResolvers<void>();
    own.slow.until = released.promise;
    const { socket, closed } = await own.connect('eu');
    const frames = frameTypesOf(socket);
    let pongs = 0;
    socket.on('pong', () => {
      pongs += 1;
    });
    socket.send(encodeHello({ checkpoint: null }));
    await expect.poll(() => frames).toEqual(['welcome']);
    socket.send(encodeReport({}));
    // The agent has not pinged: they stand for the answers that it would miss while the hub does
    // not read.
    await expect.poll(() => pongs).toBeGreaterThan(2);
    expect([socket.readyState, frames]).toEqual([WebSocket.OPEN, ['welcome']]);
    // Heartbeats do not pile up either.
    expect(own.written.connected).toBe(1);
    released.resolve();
    await expect.poll(() => frames).toEqual(['welcome', 'reported']);
    await expect.poll(async () => (await own.ledger.cluster('eu'))?.connected).toBe(true);
    socket.pause();
    await expect.poll(() => own.delivery.connected()).toEqual([]);
    socket.resume();
    expect(await closed).toBe(1006);
  } finally {
    stop.abort();
    await running;
    await own.close();
  }
});

it('delays the agent on whose frame the hub failed, and no other', async () => {
  const { connect, slow } = bench;
  slow.until = Promise.reject(new Error('refused by the database'));
  slow.until.catch(() => undefined);
  const { socket, closed } = await connect('eu');
  socket.send(encodeHello({ checkpoint: null }));
  socket.send(encodeReport({}));
  expect(await closed).toBe(1011);
  await expect(connect('eu')).rejects.toThrow('429');
  expect((await connect('us')).socket.readyState).toBe(WebSocket.OPEN);
});

it('closes a stream whose cluster has connected to another hub with its next frame, which changes nothing', async () => {
  const { ledger } = bench;
  const elsewhere = { id: 'elsewhere', isOpen: () => true };
  const report = encodeReport({});
  for (const speak of [(socket: WebSocket) => socket.send(report), (socket: WebSocket) => socket.pong()]) {
    const { socket, closed } = await bench.connect('eu');
    socket.send(encodeHello());
    await expect.poll(async () => (await ledger.cluster('eu'))?.connected).toBe(true);
    const frames = frameTypesOf(socket);
    await ledger.openStream('eu', elsewhere);
    speak(socket);
    expect(await closed).toBe(CLOSE_CODES.replaced);
    expect(frames).not.toContain('reported');
    expect(await ledger.cluster('eu')).toMatchObject({ connected: true, reportedSeq: 0 });
    await ledger.setConnected('eu', false, elsewhere);
  }
});

it('does not connect a cluster by an older stream when the newer one ends before it is recorded', async () => {
  const { connect, ledger, slow } = bench;
  const older = await connect('eu');
  older.socket.send(encodeHello());
  await expect.poll(async () => (await ledger.cluster('eu'))?.connected).toBe(true);
  const database = Promise.withResolvers<void>();
  slow.until = database.promise;
  const newer = await connect('eu');
  newer.socket.send(encodeHello());
  expect(await older.closed).toBe(CLOSE_CODES.replaced);
  newer.socket.close();
  await newer.closed;
  await expect.poll(() => bench.delivery.connected()).toEqual([]);
  database.resolve();
  await expect.poll(async () => (await ledger.cluster('eu'))?.connected).toBe(false);
});

it('spreads the return of agents when a hub stops, over longer the more there are', async () => {
  const { connect, delivery } = bench;
  const sockets = [await connect('eu'), await connect('us')];
  const reasons = sockets.map(
    ({ socket }) => new Promise<unknown>((resolve) => socket.once('close', (code, reason) => resolve([code, String(reason)]))),
  );
  await delivery.run(AbortSignal.abort());
  expect(await Promise.all(reasons)).toEqual([
    [1001, 'the hub stops; come back within 20 ms'],
    [1001, 'the hub stops; come back within 20 ms'],
  ]);
});

it('treats clusters as unknown for a while after a pause of the hub, where agents send ages', async () => {
  await bench.close();
  bench = await startDelivery({ heartbeatMs: 15_000, suspendedMs: 10 });
  const { connect, delivery, ledger } = bench;
  const { socket } = await connect('eu', { autoPong: false });
  socket.send(encodeHello());
  await once(socket, 'ping');
  delivery.suspendObservation();
  const notObserved = async () => (await ledger.cluster('eu'))?.notObserved?.what;
  expect(await notObserved()).toBeUndefined();
  socket.pong(encodeAges({ oldestPartMs: 0, oldestKindMs: 0, outOfDate: ['Pod'] }));
  await expect.poll(notObserved).toEqual(['Pod']);
  socket.pong(encodeAges({ oldestPartMs: 0, oldestKindMs: 0, outOfDate: [] }));
  await expect.poll(notObserved).toBeUndefined();
  delivery.suspendObservation();
  expect(await notObserved()).toEqual(['HubPause']);
  const stop = new AbortController();
  const running = delivery.run(stop.signal);
  await expect.poll(notObserved).toBeUndefined();
  stop.abort();
  await running;
});
