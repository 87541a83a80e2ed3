import { expect, it } from 'vitest';
import { labelsHeldByOthers } from './label-owners.ts';

const entry = (manager: string, ...keys: string[]) => ({
  manager,
  fieldsV1: { 'f:metadata': { 'f:labels': { '.': {}, ...Object.fromEntries(keys.map((key) => [`f:${key}`, {}])) } } },
});

it('names labels of this system that an apply cannot remove', () => {
  const own = entry('fso-agent-namespaces', 'compliance.gov/floor-deny', 'compliance.gov/floor-warn');
  expect(labelsHeldByOthers(undefined)).toBeUndefined();
  expect(labelsHeldByOthers([own, entry('kubectl', 'team'), { manager: 'kubelet' }])).toBeUndefined();
  expect(labelsHeldByOthers([own, entry('before-first-apply', 'team', 'compliance.gov/floor-deny')])).toEqual([
    'compliance.gov/floor-deny',
  ]);
});
