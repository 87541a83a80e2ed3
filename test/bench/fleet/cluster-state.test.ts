import { PolicyReport } from '@fso/shared/api';
import { compileCluster } from '@fso/shared/compile';
import { isUneventful, standingOf } from '@fso/shared/status';
import { expect, it } from 'vitest';
import { clusterFile, policyFile, setOf } from '../../../shared/decode/testing/decoded.ts';
import { snapshotOf } from './cluster-state.ts';
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

it('has no deviation for a governing policy, and the same one for all without their namespace', () => {
  for (const policy of accepted) expect(isUneventful(snapshotOf(policy, 'governing').report)).toBe(true);
  expect(new Set(accepted.map((policy) => standingOf(snapshotOf(policy, 'missing').report))).size).toBe(1);
});
