import { expect, it } from 'vitest';
import { fixText, MAX_LISTED, MORE, VIOLATION_TEXTS, violationMessage } from './messages.ts';

it('names the policies, the problem and its fix in one sentence', () => {
  const regions = ['eu-west-1', 'eu-central-1'];
  const message = {
    policies: ['finance-eu'],
    regions,
    namespace: 'finance',
    violation: VIOLATION_TEXTS.unconfined,
    fix: fixText(regions),
  };
  expect(violationMessage(message)).toBe(
    'policy finance-eu allows regions eu-central-1, eu-west-1 in namespace finance: nothing in the pod confines it to a region; ' +
      'fix: set spec.nodeSelector["topology.kubernetes.io/region"] to one of eu-central-1, eu-west-1',
  );
  expect(violationMessage({ ...message, policies: ['b/b', 'a/a'], regions: [] })).toContain('policy a/a, b/b allows regions (none) in');
});

it('ends a list that would not fit into a message of an admission policy', () => {
  const regions = Array.from({ length: 100 }, (_, index) => `region-${index}`.padEnd(63, 'x'));
  const policies = Array.from({ length: 100 }, (_, index) => `team/policy-${index}`.padEnd(300, 'x'));
  const text = violationMessage({
    policies,
    regions,
    namespace: 'n'.repeat(63),
    violation: VIOLATION_TEXTS.unconfined,
    fix: fixText(regions),
  });
  expect(text.length).toBeLessThan(5 * 1024);
  const sorted = regions.toSorted((a, b) => (a < b ? -1 : 1)).join(', ');
  expect(text).toContain(`${sorted.slice(0, MAX_LISTED)}${MORE} in namespace`);
  expect(text.split(MORE)).toHaveLength(4);
});
