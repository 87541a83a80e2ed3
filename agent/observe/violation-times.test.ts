import { gunzipSync, gzipSync } from 'node:zlib';
import { FakeClock } from '@fso/shared/fake-clock';
import type { KubeClient } from '@fso/shared/kube';
import { createLogger } from '@fso/shared/runtime';
import { afterEach, expect, it } from 'vitest';
import { createViolationTimeStore } from './violation-times.ts';

const SINCE = '2026-01-01T00:00:00.000Z';
const pack = (times: object): string => gzipSync(JSON.stringify(times)).toString('base64');

let stop = new AbortController();
afterEach(() => stop.abort());

/** A cluster with this ConfigMap, which cannot be read so many times. */
const kept = (times: string | undefined, unreadable = 0) => {
  stop = new AbortController();
  const clock = new FakeClock();
  const written: object[] = [];
  const state = { unreadable };
  const client = {
    get: async () => {
      if (state.unreadable-- > 0) throw new Error('no answer');
      return times === undefined ? undefined : { binaryData: { times } };
    },
    apply: async (_: unknown, body: { binaryData: { times: string } }) => {
      written.push(JSON.parse(gunzipSync(Buffer.from(body.binaryData.times, 'base64')).toString()));
    },
  } as unknown as KubeClient;
  const store = createViolationTimeStore({ client, clock, logger: createLogger({ name: 'test', level: 'silent' }) });
  return { clock, store, written };
};

/** Packing is real work in another thread: the clock alone does not bring it about. */
const until = (clock: FakeClock, isDone: () => boolean): Promise<void> =>
  expect
    .poll(async () => {
      await clock.advance(0);
      return isDone();
    })
    .toBe(true);

it('restores the times once, and writes changes', async () => {
  const { clock, store, written } = kept(pack({ a: SINCE }));
  await store.load(stop.signal);
  expect([[...store.take()], [...store.take()]]).toEqual([[['a', SINCE]], []]);
  void store.run(stop.signal);
  store.keep(new Map([['a', SINCE]]));
  await clock.advance(10_000);
  expect(written).toEqual([]);
  store.keep(new Map([['b', SINCE]]));
  await until(clock, () => written.length > 0);
  expect(written).toEqual([{ b: SINCE }]);
});

it('does not overwrite what it could not read', async () => {
  const { clock, store, written } = kept(pack({ a: SINCE }), 1);
  await store.load(stop.signal);
  void store.run(stop.signal);
  store.keep(new Map([['b', SINCE]]));
  await until(clock, () => store.take().size > 0);
  expect(written).toEqual([]);
  store.keep(new Map([['a', SINCE]]));
  await clock.advance(60_000);
  expect(written).toEqual([]);
});

it.each([
  ['no gzip', Buffer.from('no').toString('base64')],
  ['no times', pack({ a: 'yesterday' })],
  ['more than it unpacks', gzipSync(Buffer.alloc(17 * 1024 * 1024, 32)).toString('base64')],
])('starts empty from a tampered store: %s', async (_name, times) => {
  const { clock, store, written } = kept(times);
  await store.load(stop.signal);
  expect(store.take().size).toBe(0);
  void store.run(stop.signal);
  store.keep(new Map([['b', SINCE]]));
  await until(clock, () => written.length > 0);
  expect(written).toEqual([{ b: SINCE }]);
});
