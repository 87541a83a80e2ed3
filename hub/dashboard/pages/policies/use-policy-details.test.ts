import type { PolicyDetail, PolicyInCluster, PolicyReport } from '@fso/shared/api';
import { expect, it } from 'vitest';
import { enforcement, inCluster, report } from './testing/policy-reports.ts';
import { mergeDetails } from './use-policy-details.ts';

const short = (cluster: string, change: Partial<PolicyReport> = {}): PolicyInCluster => {
  const { lastUpdated: _time, ...rest } = report({ message: '', ...change });
  return { ...inCluster(cluster), report: rest };
};
const told = (cluster: string, source: PolicyDetail['source'] = 'agent'): PolicyDetail => ({
  ...inCluster(cluster, { message: 'told' }),
  source,
});
const messages = (rows: readonly PolicyInCluster[]) => rows.map((row) => row.report?.message);

it("uses an agent's answer for the row of a conforming policy while both have the same state", () => {
  const rows = [
    short('eu'),
    short('us', { namespaces: ['finance', 'newer'] }),
    short('apac'),
    inCluster('deviates', { message: 'reported' }),
  ];
  const details = [told('eu'), told('us'), told('deviates'), told('gone')];
  expect(messages(mergeDetails(rows, details))).toEqual(['told', '', '', 'reported']);
  expect(messages(mergeDetails([short('eu')], [told('eu', 'report')]))).toEqual(['']);
});

it("uses an agent's answer for the row of a deviating policy, with namespaces and commit that the row lacks", () => {
  const ofAgent = { revision: '1'.repeat(40), namespaces: ['a', 'b'], violations: 1 };
  const deviates = {
    namespaces: [],
    violations: 1,
    conditions: [{ type: 'Ready', status: 'True' as const, reason: 'Enforced', message: '' }],
  };
  const details: PolicyDetail[] = [{ ...inCluster('eu', { ...ofAgent, message: 'told' }), source: 'agent' }];
  const messageOf = (change: Partial<PolicyReport>) => messages(mergeDetails([short('eu', { ...deviates, ...change })], details))[0];
  expect([messageOf({}), messageOf({ revision: ofAgent.revision })]).toEqual(['told', 'told']);
  const others = [{ revision: '2'.repeat(40) }, { violations: 2 }, { phase: 'Pending' as const }, { enforcement: enforcement('Degraded') }];
  expect(others.map(messageOf)).toEqual(['', '', '', '']);
});
