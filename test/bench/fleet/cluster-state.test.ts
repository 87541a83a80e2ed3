import { PolicyReport } from '@fso/shared/api';
import { compileCluster } from '@fso/shared/compile';
import { expect, it } from 'vitest';
import { toSend } from '../../../agent/report/index.ts';
import { clusterFile, policyFile, setOf } from '../../../shared/decode/testing/decoded.ts';
import { snapshotOf } from './cluster-state.ts';
import type { Cause } from './orders.ts';

const { policies } = compileCluster(setOf(clusterFile('eu', ['eu-west-1']), policyFile('finance'), policyFile('health')), 'eu');
const accepted = policies.map((policy) => ({ policy, since: 'a'.repeat(40) }));

it.each<Cause>(['failing', 'gatekeeper', 'index', 'tampering'])('each policy is reported in full, and reads otherwise: %s', (cause) => {
  const reports = accepted.map((policy) => snapshotOf(policy, cause).report);
  for (const report of reports) {
    expect(PolicyReport.parse(report)).toEqual(report);
    expect(toSend(report)).toBe(report);
  }
  const texts = reports.map(({ message, conditions }) => JSON.stringify([message, conditions]));
  expect(new Set(texts).size).toBe(2);
});

it('one that governs is reported in short, also without its namespace', () => {
  for (const policy of accepted) {
    expect(toSend(snapshotOf(policy, 'governing').report).lastUpdated).toBeUndefined();
    expect(toSend(snapshotOf(policy, 'missing').report).lastUpdated).toBeUndefined();
  }
});
