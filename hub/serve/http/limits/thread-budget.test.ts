import { FakeClock } from '@fso/shared/fake-clock';
import { expect, it } from 'vitest';
import { ThreadBudgets } from './thread-budget.ts';

it('refuses a caller whose calls have cost too much until it has paid for them, and no other', async () => {
  const clock = new FakeClock();
  const budgets = new ThreadBudgets(clock);
  for (let n = 0; n < 100; n += 1) {
    budgets.assertLeft('ada');
    budgets.charge('ada', 100);
  }
  budgets.assertLeft('ada');
  budgets.charge('ada', 1_000);
  expect(() => budgets.assertLeft('ada')).toThrow(expect.objectContaining({ code: 'too-many-requests', headers: { 'Retry-After': '2' } }));
  budgets.assertLeft('bob');
  await clock.advance(2_000);
  budgets.assertLeft('ada');
});
