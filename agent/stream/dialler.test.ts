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

/** How long an agent waits after a stream that the hub closed so; `random` is 0.5. */
const waitAfter = async (code: number, reason: string): Promise<number> => {
  const stopping = new AbortController();
  const config = { hubUrl: hub.url, token: 'secret' };
  const logger = createLogger({ name: 'test', level: 'silent' });
  const dialler = new Dialler(
    { config, clock: systemClock, random: () => 0.5, logger },
    { hello: () => GREETING, onWelcome: () => hub.socket?.close(code, reason), onFrame: () => undefined, onEnd: () => undefined },
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

it('comes back within the time that a hub that stops asks for', async () => {
  expect(await waitAfter(1001, 'the hub stops; come back within 20000 ms')).toBe(10_000);
});

it('comes back as usual where that time is short, or nothing is asked for', async () => {
  expect(await waitAfter(1001, 'the hub stops; come back within 30 ms')).toBe(250);
  expect(await waitAfter(1001, 'the hub stops')).toBe(250);
  expect(await waitAfter(1011, 'come back within 20000 ms')).toBe(250);
});

it('lets no hub keep it away for longer than five minutes', async () => {
  expect(await waitAfter(1001, 'the hub stops; come back within 86400000 ms')).toBe(150_000);
});
