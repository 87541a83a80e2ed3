import { expect, it } from 'vitest';
import { barsOf } from './policy-bars.ts';

const view = (region: string, policies: number) => ({ region, groups: [], policies, clusters: [], nodes: 0, violations: 0 });

it('has regions that policies allow, those of most policies first, then by name', () => {
  expect(barsOf([view('c', 2), view('b', 2), view('a', 0), view('d', 5)]).map(({ region }) => region)).toEqual(['d', 'b', 'c']);
});
