import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { FakeClock } from '@fso/shared/fake-clock';
import { afterEach, expect, it } from 'vitest';
import WebSocket, { WebSocketServer } from 'ws';
import type { EncodedOffer } from './offers.ts';
import { createOutbox } from './outbox.ts';
import { OfferLimit } from './pacing/offer-limit.ts';

const STALL_MS = 60_000;
/** More than the buffers of a connection hold. */
const LARGE = 32 * 1024 * 1024;

let server: WebSocketServer;
afterEach(() => {
  for (const socket of server.clients) socket.terminate();
  server.close();
});

const offerOf = (revision: string, bytes = 1): EncodedOffer => ({
  revision,
  objects: 0,
  shared: Buffer.alloc(bytes, revision),
  own: Buffer.alloc(1),
});

/** An agent that reads nothing for now, and what waits for it at the hub. */
const connect = async (maxOfferBytes = 2 * LARGE) => {
  server = new WebSocketServer({ host: '127.0.0.1', port: 0 });
  await once(server, 'listening');
  const accepted = once(server, 'connection') as Promise<[WebSocket]>;
  const agent = new WebSocket(`ws://127.0.0.1:${(server.address() as AddressInfo).port}`);
  const received: string[] = [];
  agent.on('message', (data) => received.push((data as Buffer).toString('latin1', 0, 1)));
  const [[socket]] = await Promise.all([accepted, once(agent, 'open')]);
  agent.pause();
  const clock = new FakeClock();
  const offered: string[] = [];
  const ended = { tooSlow: 0 };
  const outbox = createOutbox(socket, {
    clock,
    stallMs: STALL_MS,
    maxBufferedBytes: 1024,
    offerLimit: new OfferLimit(maxOfferBytes, clock),
    onTooSlow: () => {
      ended.tooSlow += 1;
    },
    onOffered: ({ revision }) => offered.push(revision),
  });
  return { agent, socket, clock, outbox, received, offered, ended };
};

it('while an offer is under way only the newest other one waits; those before it are dropped', async () => {
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

it('an offer is one message, whatever is sent after it', async () => {
  const { agent, outbox, socket } = await connect();
  const messages: string[] = [];
  agent.on('message', (data) => messages.push((data as Buffer).toString()));
  outbox.offer({ revision: 'a', objects: 1, shared: Buffer.from('[1,'), own: Buffer.from('2]') });
  socket.ping();
  outbox.send('next');
  agent.resume();
  await expect.poll(() => messages).toEqual(['[1,2]', 'next']);
});

it('an offer that waits is dropped when another revision is meant', async () => {
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

it('an agent that does not take an offer is given up, once', async () => {
  const { clock, outbox, offered, ended } = await connect();
  outbox.offer(offerOf('a', LARGE));
  await clock.advance(STALL_MS - 1);
  expect(ended.tooSlow).toBe(0);
  await clock.advance(1);
  outbox.offer(offerOf('b'));
  outbox.send('frame');
  await clock.advance(STALL_MS);
  expect([ended.tooSlow, offered]).toEqual([1, ['a']]);
});
