import { expect, it } from 'vitest';
import { sameCounts, summariseLock } from './lock-counts.ts';

it('counts where a lock is enforced, and the states of the other clusters', () => {
  expect(summariseLock({ Enforced: 500 }, 500)).toEqual({ worst: 'Enforced', text: '500/500 enforced', rest: [] });
  expect(summariseLock({ Enforced: 498, Degraded: 1 }, 500)).toEqual({
    worst: 'Degraded',
    text: '498/500 enforced',
    rest: ['1 degraded', '1 not reported'],
  });
  expect(summariseLock({ NotApplicable: 1, Enforced: 1 }, 2)).toMatchObject({ worst: 'Enforced', rest: ['1 not applicable'] });
});

it('does not count an unreported lock as enforced', () => {
  expect(summariseLock({}, 3)).toEqual({ worst: null, text: 'not reported', rest: [] });
  expect(summariseLock({ Enforced: 2 }, 3)).toMatchObject({ worst: 'Pending', text: '2/3 enforced', rest: ['1 not reported'] });
});

it('reports once that there is nothing to enforce', () => {
  expect(summariseLock({ NotApplicable: 4 }, 4)).toEqual({ worst: 'NotApplicable', text: 'not applicable', rest: [] });
});

it('compares the states of two locks', () => {
  expect(sameCounts({ Enforced: 2 }, { Enforced: 2, Degraded: 0 })).toBe(true);
  expect(sameCounts({ Enforced: 2 }, { Enforced: 1, Degraded: 1 })).toBe(false);
});
