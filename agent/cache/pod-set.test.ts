import { describe, expect, it } from 'vitest';
import { PodSet } from './pod-set.ts';
import type { Pod } from './reduce.ts';

const pod = (name: string): Pod => ({ metadata: { namespace: 'finance', name }, spec: {} });

describe('PodSet', () => {
  it('is another object after each change, and none once it is empty', () => {
    const [a, b] = [pod('a'), pod('b')];
    const one = PodSet.NONE.with('finance/a', a);
    const two = one.with('finance/b', b);
    expect(new Set([PodSet.NONE, one, two]).size).toBe(3);
    expect([...two]).toEqual([a, b]);
    expect(two.with('finance/a', undefined).with('finance/b', undefined)).toBe(PodSet.NONE);
    expect([...PodSet.NONE]).toEqual([]);
  });
});
