import { expect, it } from 'vitest';
import { shown } from './labels.ts';

it('cuts a long list after a whole item', () => {
  expect(shown(['team/b', 'team/a'])).toBe('team/b,team/a');
  const policies = Array.from({ length: 2_000 }, (_, index) => `team/${'p'.repeat(200)}-${index}`);
  const items = shown(policies).split(',');
  expect(items).toEqual(policies.slice(0, items.length));
  expect(items).toHaveLength(19);
});
