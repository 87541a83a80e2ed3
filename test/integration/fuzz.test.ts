/** Tests that no frames end a process or make it grow. */
import { expect, it } from 'vitest';
import { fuzzAgent, fuzzHub, testOptions } from '../fuzz/fuzz.ts';
import { assertNoGrowth } from '../fuzz/growth.ts';

it.each([
  ['hub', fuzzHub],
  ['agent', fuzzAgent],
])('random frames at a stream of the %s', async (what, fuzz) => {
  const result = await fuzz(testOptions(what));
  assertNoGrowth(result);
  expect(result.taken).toBeGreaterThan(0);
  expect(result.refused).toBeGreaterThan(0);
});
