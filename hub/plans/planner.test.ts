import { systemClock } from '@fso/shared/runtime';
import { expect, it } from 'vitest';
import { createMemoryLedger } from '../ledger/testing/memory-ledger.ts';
import { Planner } from './planner.ts';

it('counts the plans of a caller in the whole fleet and in parts of it together', () => {
  const whole = new Planner({
    ledger: createMemoryLedger({ clock: systemClock }),
    clock: systemClock,
    agents: { preview: async () => 'NotConnected' },
  });
  const part = () => whole.within([{ role: 'viewer' }]);
  for (let count = 0; count < 10; count += 1) expect([whole.mayPlan('user:ana'), part().mayPlan('user:ana')]).toEqual([true, true]);
  expect([whole.mayPlan('user:ana'), part().mayPlan('user:ana'), part().mayPlan('user:bob')]).toEqual([false, false, true]);
});
