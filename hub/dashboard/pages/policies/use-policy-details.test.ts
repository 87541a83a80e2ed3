import type { PolicyDetail, PolicyInCluster } from '@fso/shared/api';
import { expect, it } from 'vitest';
import { inCluster, report } from './testing/policy-reports.ts';
import { mergeDetails } from './use-policy-details.ts';

const short = (cluster: string, namespaces: string[] = ['finance']): PolicyInCluster => {
  const { lastUpdated: _time, ...rest } = report({ namespaces, message: '' });
  return { ...inCluster(cluster), report: rest };
};
const told = (cluster: string, source: PolicyDetail['source'] = 'agent'): PolicyDetail => ({
  ...inCluster(cluster, { message: 'told' }),
  source,
});
const messages = (rows: readonly PolicyInCluster[]) => rows.map((row) => row.report?.message);

it('the answer of an agent stands in the row of a policy that conforms, as long as both speak of the same state', () => {
  const rows = [short('eu'), short('us', ['finance', 'newer']), short('apac'), inCluster('deviates', { message: 'reported' })];
  const details = [told('eu'), told('us'), told('deviates'), told('gone')];
  expect(messages(mergeDetails(rows, details))).toEqual(['told', '', '', 'reported']);
  expect(messages(mergeDetails([short('eu')], [told('eu', 'report')]))).toEqual(['']);
});
