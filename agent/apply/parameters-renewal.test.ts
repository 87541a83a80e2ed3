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

it('renews the parameters once after each write of their CRD, as soon as every API server has taken it up', () => {
  const renewal = new ParametersRenewal();
  renewal.noteDefinition(at(0));
  expect([renewal.due(false, at(0)), renewal.waitMs(at(0))]).toEqual([undefined, 2_000]);
  renewal.noteDefinition(at(1));
  expect([renewal.due(false, at(2)), renewal.waitMs(at(2))]).toEqual([undefined, 1_000]);
  expect([renewal.due(false, at(3)), renewal.waitMs(at(3))]).toEqual(['2026-01-01T00:00:03Z', undefined]);
  expect(renewal.due(false, at(30))).toBe('2026-01-01T00:00:03Z');
  renewal.noteDefinition(at(31));
  // The index is renewed at once, its CRD's renewal comes all the same.
  expect([renewal.due(true, at(31)), renewal.waitMs(at(31))]).toEqual(['2026-01-01T00:00:31Z', 2_000]);
  expect([renewal.due(true, at(33)), renewal.waitMs(at(33))]).toEqual(['2026-01-01T00:00:33Z', 10_000]);
});
