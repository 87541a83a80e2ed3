import { expect, it } from 'vitest';
import { ParametersRenewal } from './parameters-renewal.ts';

const at = (seconds: number): Date => new Date(Date.parse('2026-01-01T00:00:00Z') + seconds * 1_000);

it('renews the parameters at once when lock 1 judges nothing, and every ten seconds until it does', () => {
  const renewal = new ParametersRenewal();
  expect([renewal.due(false, at(0)), renewal.waitMs(at(0))]).toEqual([undefined, undefined]);
  expect([renewal.due(true, at(20)), renewal.waitMs(at(20))]).toEqual(['2026-01-01T00:00:20Z', 10_000]);
  expect([renewal.due(true, at(29)), renewal.waitMs(at(29))]).toEqual(['2026-01-01T00:00:20Z', 1_000]);
  expect(renewal.due(true, at(30))).toBe('2026-01-01T00:00:30Z');
  // What was written stays as it is.
  expect([renewal.due(false, at(60)), renewal.waitMs(at(60))]).toEqual(['2026-01-01T00:00:30Z', undefined]);
});
