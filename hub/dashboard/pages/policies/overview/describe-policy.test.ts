import { expect, it } from 'vitest';
import { describeClusters, describePolicy } from './describe-policy.ts';

const policy = {
  targetNamespace: 'finance',
  allowedRegions: ['group:eu'],
  effectiveRegions: ['eu-central-1', 'eu-west-1'],
  enforcementAction: 'deny',
  phase: 'Active',
} as const;

const sentenceOf = (change: object): string =>
  describePolicy({ ...policy, allowedRegions: [...policy.allowedRegions], effectiveRegions: [...policy.effectiveRegions], ...change });

it('describes the rules of a policy', () => {
  expect(sentenceOf({})).toBe(
    'Pods in namespace finance may run only in eu-central-1 or eu-west-1; a pod that could run anywhere else is refused.',
  );
  expect(sentenceOf({ targetNamespace: 'finance-*', effectiveRegions: ['eu-west-1'], enforcementAction: 'warn' })).toBe(
    'Pods in namespaces whose name begins with “finance-” may run only in eu-west-1; a pod that could run anywhere else is admitted with a warning.',
  );
});

it('reads every kind of glob', () => {
  expect(sentenceOf({ targetNamespace: '*' })).toContain('Pods in every namespace may');
  expect(sentenceOf({ targetNamespace: '*-dev' })).toContain('whose name ends with “-dev”');
  expect(sentenceOf({ targetNamespace: '*pay*' })).toContain('whose name contains “pay”');
});

it('names groups instead of many regions', () => {
  const effectiveRegions = Array.from({ length: 12 }, (_, index) => `r${index}`);
  expect(sentenceOf({ allowedRegions: ['group:eu', 'us-east-1'], effectiveRegions })).toContain(
    'only in the 12 regions of group:eu and us-east-1;',
  );
});

it('promises nothing for an expired policy or one without regions', () => {
  expect(sentenceOf({ phase: 'Expired' })).toBe(
    'Until it expired, this policy allowed pods in namespace finance to run only in eu-central-1 or eu-west-1. It no longer applies.',
  );
  expect(sentenceOf({ effectiveRegions: [] })).toContain('may run in no region');
});

it('describes the state in one cluster and in several', () => {
  expect([describeClusters('Active', 1), describeClusters('Active', 2)]).toEqual(['has proven it', 'have proven it']);
  expect([describeClusters('Failed', 1), describeClusters('Failed', 12)]).toEqual(['does not enforce it', 'do not enforce it']);
});
