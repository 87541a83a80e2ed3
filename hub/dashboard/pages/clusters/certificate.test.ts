import { expect, it } from 'vitest';
import { certificateState } from './certificate.ts';
import { after, NOW } from './cluster-facts.fixtures.ts';

it.each([
  ['good', after(8)],
  ['late', after(5)],
  ['expired', after(0)],
  ['none', null],
] as const)('%s: until %s', (state, expires) => {
  expect(certificateState(expires, NOW)).toBe(state);
});
