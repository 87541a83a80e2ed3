import { FakeClock } from '@fso/shared/fake-clock';
import { expect, it } from 'vitest';
import { RetryBudget } from './retry-budget.ts';

const taking = (budget: RetryBudget, names: string[], signal: AbortSignal) => (name: string, attempt: number, cost: number) =>
  void budget.take(attempt, cost, signal).then(
    () => names.push(name),
    () => names.push(`${name} left`),
  );

it('grants a burst, then by time, first the waiters with the fewest attempts', async () => {
  const clock = new FakeClock();
  const { signal } = new AbortController();
  const budget = new RetryBudget(clock, signal);
  const names: string[] = [];
  const take = taking(budget, names, signal);
  take('burst', 1, 50);
  take('old', 20, 4);
  take('fresh', 8, 4);
  await clock.advance(0);
  expect(names).toEqual(['burst']);
  await clock.advance(200);
  expect(names).toEqual(['burst', 'fresh']);
  await clock.advance(600);
  expect(names).toEqual(['burst', 'fresh', 'old']);
});

it('returns more than a proof took, and drops an aborted waiter', async () => {
  const clock = new FakeClock();
  const { signal } = new AbortController();
  const leaving = new AbortController();
  const budget = new RetryBudget(clock, signal);
  const names: string[] = [];
  taking(budget, names, signal)('burst', 1, 60);
  taking(budget, names, leaving.signal)('a', 2, 1);
  taking(budget, names, signal)('b', 3, 1);
  leaving.abort();
  await clock.advance(0);
  expect(names).toEqual(['burst', 'a left']);
  budget.reward(6);
  await clock.advance(0);
  expect(names).toEqual(['burst', 'a left', 'b']);
});
