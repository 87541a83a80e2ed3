import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { FakeClock } from '@fso/shared/fake-clock';
import { systemClock } from '@fso/shared/runtime';
import express from 'express';
import { pino } from 'pino';
import { expect, it } from 'vitest';
import { problemHandler } from '../problems.ts';
import { untilClosed } from '../route.ts';
import { CallSlots } from './slots.ts';

const never = new AbortController().signal;
const LIMITS = { perCaller: 2, total: 3, waiting: 2 };

/** Whether a promise is settled once everything that is ready has run. */
const isDone = async (promise: Promise<unknown>): Promise<boolean> => {
  let done = false;
  promise.then(
    () => {
      done = true;
    },
    () => undefined,
  );
  await new Promise((resolve) => setImmediate(resolve));
  return done;
};

it('gives each caller its share and all together a total, with waiting callers in turn', async () => {
  const slots = new CallSlots(LIMITS, systemClock);
  const first = await slots.acquire('ada', never);
  await slots.acquire('ada', never);
  const third = slots.acquire('ada', never);
  expect(await isDone(third)).toBe(false);
  const bobs = await slots.acquire('bob', never);
  const cleo = slots.acquire('cleo', never);
  expect(await isDone(cleo)).toBe(false);
  await expect(slots.acquire('dan', never)).rejects.toMatchObject({ code: 'too-many-requests' });
  // The place is one that ada, who waits for longer, may not have.
  bobs();
  bobs();
  expect([await isDone(cleo), await isDone(third)]).toEqual([true, false]);
  first();
  expect(await isDone(third)).toBe(true);
});

it('leaves other callers room to wait', async () => {
  const slots = new CallSlots({ perCaller: 1, total: 1, waiting: 8 }, systemClock);
  const release = await slots.acquire('ada', never);
  const waiting = [slots.acquire('ada', never), slots.acquire('ada', never)];
  await expect(slots.acquire('ada', never)).rejects.toMatchObject({ code: 'too-many-requests' });
  const bobs = slots.acquire('bob', never);
  for (const next of [release, ...waiting]) (await next)();
  (await bobs)();
});

it('drops a caller that is gone', async () => {
  const slots = new CallSlots({ perCaller: 1, total: 1, waiting: 1 }, systemClock);
  const release = await slots.acquire('ada', never);
  const gone = new AbortController();
  const waiting = slots.acquire('bob', gone.signal);
  gone.abort(new Error('gone'));
  await expect(waiting).rejects.toThrow('gone');
  release();
  await slots.acquire('cleo', never);
});

it('refuses a caller that has waited for 45 s, which leaves its place to others', async () => {
  const clock = new FakeClock();
  const slots = new CallSlots({ perCaller: 1, total: 1, waiting: 1 }, clock);
  const release = await slots.acquire('ada', never);
  const bobs = slots.acquire('bob', never);
  bobs.catch(() => undefined);
  await clock.advance(44_999);
  expect(await isDone(bobs.catch(() => undefined))).toBe(false);
  await clock.advance(1);
  await expect(bobs).rejects.toMatchObject({ code: 'too-many-requests' });
  const cleo = slots.acquire('cleo', never);
  release();
  (await cleo)();
  expect(clock.sleeping).toBe(0);
});

it('does not count a caller that leaves while it waits as a failure of the hub', async () => {
  const logged: string[] = [];
  const slots = new CallSlots({ perCaller: 1, total: 1, waiting: 1 }, systemClock);
  await slots.acquire('ada', never);
  const waiting = Promise.withResolvers<Promise<unknown>[]>();
  const app = express();
  app.get('/', async (_req, res) => {
    const slot = slots.acquire('ada', untilClosed(res));
    waiting.resolve([slot]);
    await slot;
  });
  app.use(problemHandler(pino({}, { write: (line) => void logged.push(line) })));
  const server = createServer(app).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const gone = new AbortController();
  const call = fetch(`http://127.0.0.1:${(server.address() as AddressInfo).port}`, { signal: gone.signal });
  const [slot] = await waiting.promise;
  gone.abort();
  await expect(call).rejects.toThrow();
  await expect(slot).rejects.toThrow();
  await new Promise((resolve) => setImmediate(resolve));
  expect(logged).toEqual([]);
  server.close();
});
