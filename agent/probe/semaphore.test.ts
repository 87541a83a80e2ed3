import { expect, it } from 'vitest';
import { Semaphore } from './semaphore.ts';

it('runs its limit of tasks in the order of arrival, also when one arrives while a permit changes hands', async () => {
  const semaphore = new Semaphore(1);
  const order: string[] = [];
  let running = 0;
  let most = 0;
  const task = (name: string) => async (): Promise<void> => {
    running += 1;
    most = Math.max(most, running);
    order.push(name);
    await Promise.resolve();
    running -= 1;
  };
  const late: Promise<void>[] = [];
  const first = semaphore.run(task('first')).then(() => {
    late.push(semaphore.run(task('late')));
  });
  const second = semaphore.run(task('second'));
  const third = semaphore.run(task('third'));
  await Promise.all([first, second, third]);
  await Promise.all(late);
  expect(order).toEqual(['first', 'second', 'third', 'late']);
  expect(most).toBe(1);
});

it('passes the permit on when a task fails', async () => {
  const semaphore = new Semaphore(1);
  const failed = semaphore.run(() => Promise.reject(new Error('no')));
  const next = semaphore.run(() => Promise.resolve('yes'));
  await expect(failed).rejects.toThrow('no');
  expect(await next).toBe('yes');
});
