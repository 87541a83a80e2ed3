import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { CLOSE_CODES, encodeFrame, PROTOCOL_VERSION } from '@fso/shared/protocol';
import { systemClock } from '@fso/shared/runtime';
import { pino } from 'pino';
import { afterEach, beforeEach, expect, it } from 'vitest';
import WebSocket from 'ws';
import { createAuditKey, createCheckpoints, createMemoryLedger } from '../ledger/index.ts';
import { AGENT_PATH, createDelivery } from './delivery.ts';
import { tokenGate } from './gate.ts';

const TOKENS = new Map([
  ['eu', 'token-of-eu-0123456789'],
  ['us', 'token-of-us-0123456789'],
]);
const nothing = (): void => undefined;

const startDelivery = async () => {
  const ledger = createMemoryLedger({ clock: systemClock });
  const delivery = createDelivery(tokenGate(TOKENS), {
    ledger,
    checkpoints: createCheckpoints({ ledger, key: createAuditKey(), clock: systemClock, logger: pino({ level: 'silent' }) }),
    offers: { get: () => Promise.reject(new Error('no offers')), made: () => 0 },
    clock: systemClock,
    logger: pino({ level: 'silent' }),
    metrics: { connected: nothing, offered: nothing, nacked: nothing, reported: nothing },
    version: 'test',
    limits: { helloMs: 60_000, maxSilent: 2, heartbeatMs: 60_000, stallMs: 60_000, maxBufferedBytes: 1024, maxFrameBytes: 1024 },
    target: () => null,
    digestOf: () => undefined,
  });
  const http = createServer();
  delivery.attach(http);
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
  const sockets: WebSocket[] = [];
  const connect = async (cluster: string) => {
    const socket = new WebSocket(`ws://127.0.0.1:${(http.address() as AddressInfo).port}${AGENT_PATH}`, {
      headers: { Authorization: `Bearer ${TOKENS.get(cluster)}` },
    });
    sockets.push(socket);
    const closed = new Promise<number>((resolve) => socket.once('close', resolve));
    await new Promise<void>((resolve) => socket.once('open', resolve));
    return { socket, closed };
  };
  const close = async (): Promise<void> => {
    for (const socket of sockets) socket.terminate();
    await new Promise((resolve) => http.close(resolve));
  };
  return { connect, close };
};

let bench: Awaited<ReturnType<typeof startDelivery>>;
beforeEach(async () => {
  bench = await startDelivery();
});
afterEach(() => bench.close());

it('closes the oldest stream without a hello when a cluster has too many', async () => {
  const { connect } = bench;
  const greeted = await connect('eu');
  const welcomed = new Promise((resolve) => greeted.socket.once('message', resolve));
  greeted.socket.send(
    encodeFrame({
      type: 'hello',
      protocol: PROTOCOL_VERSION,
      cluster: 'eu',
      revision: null,
      holds: null,
      anchor: null,
      agentVersion: 'test',
    }),
  );
  await welcomed;
  const silent = [await connect('eu'), await connect('eu')] as const;
  const other = await connect('us');
  const newer = [await connect('eu'), await connect('eu')];
  expect(await Promise.all(silent.map(({ closed }) => closed))).toEqual([CLOSE_CODES.badFrame, CLOSE_CODES.badFrame]);
  for (const { socket } of [greeted, other, ...newer]) expect(socket.readyState).toBe(WebSocket.OPEN);
});
