import { expect, it } from 'vitest';
import { describeReturn, GOING_AWAY, readReturn } from './going-away.ts';

it('an agent reads for how long a hub that stops spreads its agents', () => {
  expect(readReturn(GOING_AWAY, describeReturn(1_250))).toBe(1_250);
});

it('nothing else says so', () => {
  for (const [code, reason] of [
    [GOING_AWAY, ''],
    [GOING_AWAY, 'the hub stops'],
    [GOING_AWAY, 'come back within -5 ms'],
    [GOING_AWAY, `come back within ${'9'.repeat(100)} ms`],
    [1011, describeReturn(1_250)],
  ] as const)
    expect(readReturn(code, reason)).toBeUndefined();
});
