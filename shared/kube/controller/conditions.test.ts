import { describe, expect, it } from 'vitest';
import { setCondition } from './conditions.ts';

const T1 = new Date('2026-01-01T00:00:00.400Z');
const T2 = new Date('2026-01-01T00:01:00Z');
const ready = { type: 'Ready', status: 'True', reason: 'Proven', message: 'both locks' } as const;

describe('setCondition', () => {
  it('adds a condition in whole seconds, sorted by type, and leaves the given list alone', () => {
    const before = setCondition(undefined, ready, T1);
    const after = setCondition(before, { ...ready, type: 'Conflict' }, T2);
    expect(before).toEqual([{ ...ready, lastTransitionTime: '2026-01-01T00:00:00Z' }]);
    expect(after.map((condition) => condition.type)).toEqual(['Conflict', 'Ready']);
  });

  it('moves lastTransitionTime only when the status changes', () => {
    const first = setCondition([], ready, T1);
    expect(setCondition(first, { ...ready, reason: 'Other' }, T2)[0]?.lastTransitionTime).toBe('2026-01-01T00:00:00Z');
    expect(setCondition(first, { ...ready, status: 'False' }, T2)[0]?.lastTransitionTime).toBe('2026-01-01T00:01:00Z');
  });
});
