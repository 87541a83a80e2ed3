import { PolicyReport } from '@fso/shared/api';
import { compileCluster } from '@fso/shared/compile';
import { deviationFrom, expectedReport, isUneventful, listPolicy } from '@fso/shared/status';
import { expect, it } from 'vitest';
import { clusterFile, policyFile, setOf } from '../../../shared/decode/testing/decoded.ts';
import { PROFILE, snapshotOf } from './cluster-state.ts';
import type { Cause } from './orders.ts';

const { policies } = compileCluster(setOf(clusterFile('eu', ['eu-west-1']), policyFile('finance'), policyFile('health')), 'eu');
const accepted = policies.map((policy) => ({ policy, since: 'a'.repeat(40) }));

it.each<Cause>(['failing', 'gatekeeper', 'index', 'tampering'])('makes each policy deviate, with a text of its own: %s', (cause) => {
  const reports = accepted.map((policy) => snapshotOf(policy, cause).report);
  for (const report of reports) {
    expect(PolicyReport.parse(report)).toEqual(report);
    expect(isUneventful(report)).toBe(false);
  }
  const texts = reports.map(({ message, conditions }) => JSON.stringify([message, conditions]));
  expect(new Set(texts).size).toBe(2);
});

it('has no deviation for a policy that governs, or whose namespace is missing', () => {
  for (const each of accepted)
    for (const [state, namespaces] of [['governing', [each.policy.spec.targetNamespace]] as const, ['missing', []] as const]) {
      const expected = expectedReport(listPolicy(each.policy, each.since), PROFILE, { isExpired: false, namespaces });
      expect(deviationFrom(expected, snapshotOf(each, state).report)).toBeUndefined();
    }
});
