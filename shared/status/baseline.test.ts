import { expect, it } from 'vitest';
import { Baseline, MAX_BASELINE_NAMESPACES } from './baseline.ts';

const BASELINE = {
  list: '0'.repeat(64),
  profile: { floor: true, gatekeeper: true, injection: true, gatekeeperNamespace: 'gatekeeper-system' },
  asOf: '2026-01-01T00:00:00.000Z',
  missing: '',
};

it('says of its namespaces only the first that is none', () => {
  const namespaces = ['a', ...Array.from({ length: MAX_BASELINE_NAMESPACES - 1 }, () => 'Not a namespace')];
  const { error } = Baseline.safeParse({ ...BASELINE, namespaces });
  expect(error?.issues.map(({ path }) => path)).toEqual([['namespaces', 1]]);
});

it('has as many namespaces as it names at most', () => {
  const namespaces = Array.from({ length: MAX_BASELINE_NAMESPACES }, (_, at) => `n${at}`);
  expect(Baseline.parse({ ...BASELINE, namespaces })).toEqual({ ...BASELINE, namespaces });
  expect(Baseline.safeParse({ ...BASELINE, namespaces: [...namespaces, 'one-more'] }).success).toBe(false);
});
