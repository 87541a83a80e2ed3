import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { type AddressInfo, connect as connectTcp, createServer, type Server, type Socket } from 'node:net';
import { FakeClock } from '@fso/shared/fake-clock';
import { afterEach, expect, it } from 'vitest';
import WebSocket, { WebSocketServer } from 'ws';
import type { EncodedOffer } from './offers/offers.ts';
import { Outbox } from './outbox.ts';
import { OfferLimit } from './pacing/offer-limit.ts';

const STALL_MS = 60_000;
/** Size that exceeds the buffers of a connection. */
const LARGE = 32 * 1024 * 1024;

let server: WebSocketServer;
let link: Server | undefined;
afterEach(() => {
  link?.close();
  link = undefined;
  for (const socket of server.clients) socket.terminate();
  server.close();
});

const offerOf = (revision: string, bytes = 1): EncodedOffer => ({
  revision,
  objects: 0,
  shared: Buffer.alloc(bytes, revision),
  own: Buffer.alloc(1),
});

const portOf = (listener: { address(): unknown }): number => (listener.address() as AddressInfo).port;

/** A network that carries to the agent only as many bytes as it is let. */
const startSlowLink = async (port: number) => {
  let left = Number.POSITIVE_INFINITY;
  const links: Socket[] = [];
  const pass = (): void => {
    for (const upstream of links) if (left > 0) upstream.resume();
  };
  link = createServer((client) => {
    const upstream = connectTcp({ host: '127.0.0.1', port });
    links.push(upstream);
    client.pipe(upstream);
    upstream.on('data', (data) => {
      left -= data.byteLength;
      client.write(data);
      if (left <= 0) upstream.pause();
    });
    for (const socket of [client, upstream]) socket.on('error', () => undefined);
    for (const [one, other] of [
      [client, upstream],
      [upstream, client],
    ] as const)
      one.once('close', () => other.destroy());
  }).listen(0, '127.0.0.1');
  await once(link, 'listening');
  return {
    port: portOf(link),
    /** @param bytes that pass from now on; those beyond it wait */
    allow: (bytes: number): void => {
      left = bytes;
      pass();
    },
  };
};

/**
 * Waits until a count stays as it is: what could be written without the agent is with the network.
 */
const untilQuiet = async (count: () => number): Promise<void> => {
  for (let before = -1; before !== count(); ) {
    before = count();
    for (let turn = 0; turn < 50; turn += 1) await new Promise((resolve) => setImmediate(resolve));
  }
};

/** An agent that reads nothing for now, and what waits for it at the hub. */
const connect = async (maxOfferBytes = 2 * LARGE, isSlow = false) => {
  server = new WebSocketServer({ host: '127.0.0.1', port: 0 });
  await once(server, 'listening');
  const accepted = once(server, 'connection') as Promise<[WebSocket, IncomingMessage]>;
  const slow = isSlow ? await startSlowLink(portOf(server)) : undefined;
  const agent = new WebSocket(`ws://127.0.0.1:${slow?.port ?? portOf(server)}`);
  const received: string[] = [];
  agent.on('message', (data) => received.push((data as Buffer).toString('latin1', 0, 1)));
  const [[socket, { socket: raw }]] = await Promise.all([accepted, once(agent, 'open')]);
  agent.pause();
  const clock = new FakeClock();
  const offered: string[] = [];
  const ended = { tooSlow: 0 };
  const limit = new OfferLimit(maxOfferBytes, clock);
  const outbox = new Outbox(socket, {
    clock,
    connection: raw,
    stallMs: STALL_MS,
    maxBufferedBytes: 1024,
    offerLimit: limit,
    onTooSlow: () => {
      ended.tooSlow += 1;
    },
    onOffered: ({ revision }) => offered.push(revision),
  });
  /** Resolves once the network has all that it takes without the agent. */
  const quiet = (): Promise<void> => untilQuiet(() => raw.bytesWritten);
  return { agent, socket, clock, limit, outbox, received, offered, ended, slow, raw, quiet };
};

it('keeps only the newest waiting offer while one is under way', async () => {
  const { agent, outbox, received, offered } = await connect();
  outbox.offer(offerOf('a', LARGE));
  for (const revision of ['b', 'c', 'd']) outbox.offer(offerOf(revision));
  expect(offered).toEqual(['a']);
  agent.resume();
  await expect.poll(() => received.at(-1)).toBe('d');
  expect([received, offered]).toEqual([
    ['a', 'd'],
    ['a', 'd'],
  ]);
});

it('keeps an offer under way until the network has taken it', async () => {
  const { agent, outbox } = await connect();
  outbox.offer(offerOf('a', LARGE));
  expect(outbox.isBusy).toBe(true);
  agent.resume();
  await expect.poll(() => outbox.isBusy).toBe(false);
});

it('sends an offer as one message, before any later frames', async () => {
  const { agent, outbox, socket } = await connect();
  const messages: string[] = [];
  agent.on('message', (data) => messages.push((data as Buffer).toString()));
  outbox.offer({ revision: 'a', objects: 1, shared: Buffer.from('[1,'), own: Buffer.from('2]') });
  socket.ping();
  outbox.send('next');
  agent.resume();
  await expect.poll(() => messages).toEqual(['[1,2]', 'next']);
});

it('drops a waiting offer when the target revision changes', async () => {
  const { agent, outbox, received, offered } = await connect();
  outbox.offer(offerOf('a', LARGE));
  outbox.offer(offerOf('b'));
  outbox.dropWaiting();
  agent.resume();
  await expect.poll(() => received).toEqual(['a']);
  outbox.offer(offerOf('c'));
  await expect.poll(() => received.at(-1)).toBe('c');
  expect([received, offered]).toEqual([
    ['a', 'c'],
    ['a', 'c'],
  ]);
});

it('builds no offer while one is under way, and then the newest alone', async () => {
  const { agent, outbox, received } = await connect();
  const made: string[] = [];
  const offer = (revision: string, bytes = 1): void =>
    outbox.whenFree(() => {
      made.push(revision);
      outbox.offer(offerOf(revision, bytes));
    });
  offer('a', LARGE);
  for (const revision of ['b', 'c', 'd']) offer(revision);
  expect(made).toEqual(['a']);
  agent.resume();
  await expect.poll(() => received).toEqual(['a', 'd']);
  expect(made).toEqual(['a', 'd']);
});

it('builds no offer for an agent that was given up, or of a former target revision', async () => {
  const { agent, clock, outbox, quiet, ended } = await connect();
  const made: string[] = [];
  outbox.offer(offerOf('a', LARGE));
  outbox.whenFree(() => made.push('b'));
  outbox.dropWaiting();
  outbox.whenFree(() => made.push('c'));
  await quiet();
  await clock.advance(STALL_MS);
  for (let checks = 0; checks < 3; checks += 1) outbox.checkProgress();
  expect(ended.tooSlow).toBe(1);
  agent.resume();
  await quiet();
  expect(made).toEqual([]);
});

it('gives an agent up, once, that does not accept an offer', async () => {
  const { clock, outbox, offered, ended, quiet } = await connect();
  outbox.offer(offerOf('a', LARGE));
  await quiet();
  await clock.advance(STALL_MS - 1);
  outbox.checkProgress();
  expect(ended.tooSlow).toBe(0);
  outbox.offer(offerOf('b'));
  outbox.send('frame');
  await clock.advance(STALL_MS);
  outbox.checkProgress();
  outbox.checkProgress();
  expect([ended.tooSlow, offered]).toEqual([1, ['a']]);
});

it('sends an offer over a slow link as long as it progresses, and later frames after it', async () => {
  const { agent, clock, outbox, received, ended, slow, raw, quiet } = await connect(2 * LARGE, true);
  slow?.allow(0);
  agent.resume();
  outbox.offer(offerOf('a', LARGE));
  outbox.send('frame');
  await quiet();
  let steps = 0;
  for (; received.length < 2; steps += 1) {
    const before = raw.bytesWritten;
    slow?.allow(8 * 1024 * 1024);
    await expect.poll(() => raw.bytesWritten > before || received.length === 2).toBe(true);
    await quiet();
    await clock.advance(STALL_MS - 1);
    outbox.checkProgress();
  }
  expect(steps).toBeGreaterThan(1);
  expect([received, ended.tooSlow]).toEqual([['a', 'f'], 0]);
});

it('answers a ping in the middle of an offer', async () => {
  const { agent, outbox, received, socket, slow, quiet } = await connect(2 * LARGE, true);
  slow?.allow(0);
  agent.resume();
  outbox.offer(offerOf('a', LARGE));
  await quiet();
  const answered = once(socket, 'pong');
  socket.ping();
  slow?.allow(LARGE / 2);
  await answered;
  expect(received).toEqual([]);
  slow?.allow(Number.POSITIVE_INFINITY);
  await expect.poll(() => received).toEqual(['a']);
});

it('bounds the frames that wait behind an offer', async () => {
  const { outbox, ended, quiet } = await connect();
  outbox.offer(offerOf('a', LARGE));
  await quiet();
  for (let n = 0; n < 8; n += 1) outbox.send('x'.repeat(128));
  expect(ended.tooSlow).toBe(0);
  outbox.send('x');
  outbox.send('x');
  expect(ended.tooSlow).toBe(1);
});

it('sends a long frame in fragments as it does an offer, and what follows after it', async () => {
  const { agent, outbox, socket } = await connect();
  const messages: string[] = [];
  agent.on('message', (data) => messages.push((data as Buffer).toString()));
  let writes = 0;
  const send = socket.send.bind(socket) as (...args: unknown[]) => void;
  socket.send = (...args: unknown[]): void => {
    writes += 1;
    send(...args);
  };
  const long = 'x'.repeat(100_000);
  outbox.send(long);
  expect(outbox.isBusy).toBe(true);
  outbox.send('next');
  agent.resume();
  await expect.poll(() => messages).toEqual([long, 'next']);
  expect(writes).toBe(8);
});

it('starts no waiting offer within a long frame', async () => {
  const { agent, outbox, socket, limit } = await connect();
  const messages: number[] = [];
  agent.on('message', (data) => messages.push((data as Buffer).byteLength));
  let release = (): void => undefined;
  // Another agent has all the room.
  limit.enter(
    () => 2 * LARGE,
    (done) => {
      release = done;
    },
  );
  outbox.offer(offerOf('a', 100_000));
  outbox.send('x'.repeat(90_000));
  expect(outbox.isBusy).toBe(true);
  release();
  agent.resume();
  await expect.poll(() => messages).toEqual([90_000, 100_001]);
  expect(socket.readyState).toBe(socket.OPEN);
});
