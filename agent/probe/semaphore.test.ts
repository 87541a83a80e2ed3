import { expect, it } from 'vitest';
import { Lane } from './semaphore.ts';

it('runs so many at a time, in the order in which they came, whoever comes while a place is handed over', async () => {
  const lane = new Lane(1);
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
  const first = lane.run(task('first')).then(() => {
    late.push(lane.run(task('late')));
  });
  const second = lane.run(task('second'));
  const third = lane.run(task('third'));
  await Promise.all([first, second, third]);
  await Promise.all(late);
  expect(order).toEqual(['first', 'second', 'third', 'late']);
  expect(most).toBe(1);
});

it('gives the place on when a task fails', async () => {
  const lane = new Lane(1);
  const failed = lane.run(() => Promise.reject(new Error('no')));
  const next = lane.run(() => Promise.resolve('yes'));
  await expect(failed).rejects.toThrow('no');
  expect(await next).toBe('yes');
});
