import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { FakeClock } from '@fso/shared/fake-clock';
import { PROTOCOL_VERSION } from '@fso/shared/protocol';
import { createLogger, systemClock } from '@fso/shared/runtime';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { type ScriptedHub, startScriptedHub } from '../../test/harness/scripted-hub.ts';
import type { StreamState } from './connection.ts';
import { Dialler } from './dialler.ts';

const GREETING = {
  type: 'hello',
  protocol: PROTOCOL_VERSION,
  cluster: 'eu',
  revision: null,
  holds: null,
  anchor: null,
  agentVersion: 'test',
} as const;

let hub: ScriptedHub;
beforeEach(async () => {
  hub = await startScriptedHub();
});
afterEach(() => hub.close());

const CURRENT = { oldestPartMs: 0, oldestKindMs: 0, outOfDate: [] };

/** Returns how long an agent waits after a stream that ended so; `random` is 0.5. */
const waitAfterEnd = async (hubUrl: string, onWelcome: () => void): Promise<number> => {
  const stopping = new AbortController();
  const config = { hubUrl, token: 'secret' };
  const logger = createLogger({ name: 'test', level: 'silent' });
  const dialler = new Dialler(
    { config, clock: systemClock, random: () => 0.5, logger },
    { hello: () => GREETING, ages: () => CURRENT, onWelcome, onFrame: () => undefined, onEnd: () => undefined },
  );
  const ended = Promise.withResolvers<StreamState>();
  dialler.onStateChange((state) => {
    if (state.state === 'disconnected') ended.resolve(state);
  });
  const running = dialler.run(stopping.signal).catch(() => undefined);
  const state = await ended.promise;
  stopping.abort();
  await running;
  if (state.state !== 'disconnected') throw new Error(state.state);
  return state.retryInMs;
};

/** Returns the wait after a stream that the hub closed so. */
const waitAfter = (code: number, reason: string): Promise<number> => waitAfterEnd(hub.url, () => hub.socket?.close(code, reason));

/** Returns the wait after a refusal before the stream opens. */
const waitAfterRefusal = async (headers: string): Promise<number> => {
  const server = createServer().on('upgrade', (_request, socket) => {
    socket.end(`HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Length: 0\r\n${headers}\r\n`);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  try {
    return await waitAfterEnd(`ws://127.0.0.1:${(server.address() as AddressInfo).port}`, () => undefined);
  } finally {
    server.close();
  }
};

it('returns within the time that a stopping hub asks for', async () => {
  expect(await waitAfter(1001, 'the hub stops; come back within 20000 ms')).toBe(10_000);
});

it('returns as usual where that time is short or absent', async () => {
  expect(await waitAfter(1001, 'the hub stops; come back within 30 ms')).toBe(250);
  expect(await waitAfter(1001, 'the hub stops')).toBe(250);
  expect(await waitAfter(1011, 'come back within 20000 ms')).toBe(250);
});

it('returns within the time that an overloaded hub asks for', async () => {
  expect(await waitAfterRefusal('Retry-After: 20\r\n')).toBe(10_000);
  expect(await waitAfterRefusal('Retry-After: 86400\r\n')).toBe(150_000);
  expect(await waitAfterRefusal('Retry-After: soon\r\n')).toBe(250);
  expect(await waitAfterRefusal('')).toBe(250);
});

it('waits twice as long after each failure, at most 15 s', async () => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  const [clock, stopping] = [new FakeClock(), new AbortController()];
  const config = { hubUrl: `ws://127.0.0.1:${port}`, token: 'secret' };
  const dialler = new Dialler(
    { config, clock, random: () => 1, logger: createLogger({ name: 'test', level: 'silent' }) },
    { hello: () => GREETING, ages: () => CURRENT, onWelcome: () => undefined, onFrame: () => undefined, onEnd: () => undefined },
  );
  const waits: number[] = [];
  dialler.onStateChange((state) => {
    if (state.state === 'disconnected') waits.push(state.retryInMs);
  });
  const running = dialler.run(stopping.signal).catch(() => undefined);
  for (let failures = 1; failures <= 7; failures += 1) {
    await expect.poll(() => waits.length).toBe(failures);
    await clock.advance(waits.at(-1) ?? 0);
  }
  stopping.abort();
  await running;
  expect(waits.slice(0, 7)).toEqual([500, 1_000, 2_000, 4_000, 8_000, 15_000, 15_000]);
});

it('never waits longer than five minutes, at the request of any hub', async () => {
  expect(await waitAfter(1001, 'the hub stops; come back within 86400000 ms')).toBe(150_000);
});
