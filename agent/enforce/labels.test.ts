import { expect, it } from 'vitest';
import { firstThatFit } from './labels.ts';

it('cuts a long list after a whole item', () => {
  expect(firstThatFit(['team/b', 'team/a'])).toBe('team/b,team/a');
  const policies = Array.from({ length: 2_000 }, (_, index) => `team/${'p'.repeat(200)}-${index}`);
  const items = firstThatFit(policies).split(',');
  expect(items).toEqual(policies.slice(0, items.length));
  expect(items).toHaveLength(19);
});
