import { expect, it } from 'vitest';
import { Baseline, digestOfBaseline, isSameBaseline, MAX_BASELINE_NAMESPACES } from './baseline.ts';

const BASELINE = {
  list: '0'.repeat(64),
  profile: { floor: true, gatekeeper: true, injection: true, gatekeeperNamespace: 'gatekeeper-system' },
  asOf: '2026-01-01T00:00:00.000Z',
  missing: '',
};

it('names only the first of several missing namespaces', () => {
  const namespaces = ['a', ...Array.from({ length: MAX_BASELINE_NAMESPACES - 1 }, () => 'Not a namespace')];
  const { error } = Baseline.safeParse({ ...BASELINE, namespaces });
  expect(error?.issues.map(({ path }) => path)).toEqual([['namespaces', 1]]);
});

it('names a bounded number of namespaces', () => {
  const namespaces = Array.from({ length: MAX_BASELINE_NAMESPACES }, (_, at) => `n${at}`);
  expect(Baseline.parse({ ...BASELINE, namespaces })).toEqual({ ...BASELINE, namespaces });
  expect(Baseline.safeParse({ ...BASELINE, namespaces: [...namespaces, 'one-more'] }).success).toBe(false);
});

it('equals another baseline where their digests are equal, and so do single fields', () => {
  const baseline: Baseline = { ...BASELINE, namespaces: ['finance'] };
  const { profile } = baseline;
  const others: readonly Baseline[] = [
    { ...baseline, namespaces: ['finance'], asOf: '2027-01-01T00:00:00.000Z' },
    { ...baseline, list: '1'.repeat(64) },
    { ...baseline, missing: 'AQ==' },
    { ...baseline, namespaces: ['finance', 'hr'] },
    ...Object.entries(profile).map(([field, value]) => ({
      ...baseline,
      profile: { ...profile, [field]: typeof value === 'string' ? 'other' : !value },
    })),
  ];
  for (const other of others) expect(isSameBaseline(baseline, other)).toBe(digestOfBaseline(baseline) === digestOfBaseline(other));
  expect(others.map((other) => isSameBaseline(baseline, other, ['missing', 'floor']))).toEqual([
    true,
    true,
    false,
    true,
    false,
    true,
    true,
    true,
  ]);
  expect([isSameBaseline(null, null), isSameBaseline(null, baseline), isSameBaseline(baseline, null)]).toEqual([true, false, false]);
});
