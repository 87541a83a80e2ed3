import { expect, it } from 'vitest';
import { matchesNamespace } from './namespace-glob.ts';

it.each<[string, string, boolean]>([
  ['finance', 'finance', true],
  ['finance', 'finance-eu', false],
  ['finance-*', 'finance-eu', true],
  ['finance-*', 'finance-', true],
  ['finance-*', 'finance', false],
  ['*-prod', 'pay-prod', true],
  ['*-prod', 'pay-prod-2', false],
  ['*pay*', 'pay', true],
  ['*pay*', 'my-payments', true],
  ['*pay*', 'my-pa', false],
  ['*', 'anything', true],
  ['**', 'anything', true],
  ['fin*ance', 'finXance', false],
  ['.*', 'finance', false],
])('%s on %s: %s', (glob, namespace, expected) => {
  expect(matchesNamespace(glob, namespace)).toBe(expected);
});
