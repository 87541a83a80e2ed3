import { expect, it } from 'vitest';
import { fixText, VIOLATIONS, violationMessage } from './messages.ts';

it('says which policies, what is wrong, and how to mend it, in one sentence', () => {
  const regions = ['eu-west-1', 'eu-central-1'];
  const message = {
    policies: ['fso-system/finance-eu'],
    regions,
    namespace: 'finance',
    violation: VIOLATIONS.unconfined,
    fix: fixText(regions),
  };
  expect(violationMessage(message)).toBe(
    'policy fso-system/finance-eu allows regions eu-central-1, eu-west-1 in namespace finance: nothing in the pod confines it to a region; ' +
      'fix: set spec.nodeSelector["topology.kubernetes.io/region"] to one of eu-central-1, eu-west-1',
  );
  expect(violationMessage({ ...message, policies: ['b/b', 'a/a'], regions: [] })).toContain('policy a/a, b/b allows regions (none) in');
});
