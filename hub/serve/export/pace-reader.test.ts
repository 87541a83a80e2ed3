import { once } from 'node:events';
import { Writable } from 'node:stream';
import { FakeClock } from '@fso/shared/fake-clock';
import { expect, it } from 'vitest';
import { paceReader } from './backup-route.ts';

const CHUNK = Buffer.alloc(65_536);

/** Takes a chunk each time that a test says so. */
const startReader = () => {
  const taken: (() => void)[] = [];
  const reader = new Writable({ highWaterMark: 1, write: (_chunk, _encoding, done) => void taken.push(done) });
  const clock = new FakeClock();
  const writer = paceReader(reader, clock);
  const failure = once(writer, 'error').then(([error]) => error as Error);
  return { reader, clock, writer, failure, take: () => taken.shift()?.() };
};

it('waits for a reader that takes 64 KiB each second, however long that takes in all', async () => {
  const { reader, clock, writer, take } = startReader();
  for (let second = 0; second < 200; second += 1) {
    const written = new Promise((resolve) => writer.write(CHUNK, resolve));
    await clock.advance(1000);
    take();
    await written;
  }
  writer.end();
  await once(reader, 'finish');
  expect(clock.monotonicMs()).toBe(200_000);
});

it('fails for a reader that takes less', async () => {
  const { clock, writer, failure, take } = startReader();
  let error: Error | undefined;
  failure.then((found) => {
    error = found;
  });
  let seconds = 0;
  for (; error === undefined && seconds < 1000; seconds += 30) {
    writer.write(CHUNK);
    await clock.advance(30_000);
    take();
    await clock.advance(0);
  }
  // 60 s, and one for each chunk after the first.
  expect(seconds).toBe(90);
  expect(error?.message).toMatch(/too slow.* 192 KiB in all/);
});

it('gives a reader that was fast for long no more time than others', async () => {
  const { clock, writer, failure, take } = startReader();
  for (let chunk = 0; chunk < 1000; chunk += 1) {
    const written = new Promise((resolve) => writer.write(CHUNK, resolve));
    await clock.advance(0);
    take();
    await written;
  }
  writer.write(CHUNK);
  await clock.advance(60_000);
  expect((await failure).message).toMatch(/too slow/);
});

it('does not count the time that the hub takes', async () => {
  const { clock, writer, take } = startReader();
  for (let hour = 0; hour < 5; hour += 1) {
    const written = new Promise((resolve) => writer.write(CHUNK, resolve));
    await clock.advance(1000);
    take();
    await written;
    await clock.advance(3_600_000);
  }
  expect(writer.errored).toBeNull();
});

it('fails with the reason for which its reader is gone', async () => {
  const { reader, writer, failure } = startReader();
  reader.on('error', () => undefined);
  writer.write(CHUNK);
  reader.destroy(new Error('it read nothing'));
  expect((await failure).message).toBe('it read nothing');
  const left = startReader();
  left.writer.write(CHUNK);
  left.reader.destroy();
  expect((await left.failure).message).toBe('its reader left before the end');
});
