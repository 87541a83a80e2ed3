import { expect, it } from 'vitest';
import { isSkewed, skewText } from './clock-skew.ts';

it.each([
  [null, false, 'not known'],
  [-400, false, 'agrees with the hub'],
  [2500, false, '2.5 s ahead of the hub'],
  [-90_000, true, '1 min 30 s behind the hub'],
] as const)('%s ms', (skewMs, skewed, text) => {
  expect([isSkewed(skewMs), skewText(skewMs)]).toEqual([skewed, text]);
});
