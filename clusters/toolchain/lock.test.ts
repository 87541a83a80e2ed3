import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { makeTemporaryFolder } from '../../test/harness/temporary-folder.ts';
import { withLock } from './lock.ts';

const lockFile = (): string => join(makeTemporaryFolder('lock'), 'lock');
const never = new AbortController().signal;

it('runs one task at a time and reports the process that it waits for', async () => {
  const file = lockFile();
  const order: string[] = [];
  const waited: string[] = [];
  const finish = Promise.withResolvers<void>();
  const first = withLock(
    file,
    async () => {
      await finish.promise;
      order.push('first');
    },
    () => {},
    never,
  );
  const second = withLock(
    file,
    async () => void order.push('second'),
    (pid) => {
      waited.push(pid);
      finish.resolve();
    },
    never,
  );
  await Promise.all([first, second]);
  expect(order).toEqual(['first', 'second']);
  expect(waited).toEqual([String(process.pid)]);
  expect(existsSync(file)).toBe(false);
});

it.each([
  ['of a process that ended', '999999999\n1'],
  ['of a process whose pid is in use again', `${process.pid}\nanother start`],
  ['that is empty', ''],
])('takes over a lock %s', async (_, content) => {
  const file = lockFile();
  writeFileSync(file, content);
  expect(
    await withLock(
      file,
      async () => 'done',
      () => {},
      never,
    ),
  ).toBe('done');
});

it('releases the lock when the task fails', async () => {
  const file = lockFile();
  const failing = withLock(
    file,
    () => Promise.reject(new Error('broken')),
    () => {},
    never,
  );
  await expect(failing).rejects.toThrow('broken');
  expect(existsSync(file)).toBe(false);
});
