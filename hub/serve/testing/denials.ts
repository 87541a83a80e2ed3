import { type ClusterDenials, CONDITIONS, type ReportedDenial } from '@fso/shared/api';
import type { ApiHarness } from './api-harness.ts';
import { baselineIn, clusterReport, desiredOf, reportChange, TIME } from './fleet.ts';

/** A Deployment whose pods were refused in namespace finance, under policy finance. */
export const denialOf = (name: string, count: number, more: Partial<ReportedDenial> = {}): ReportedDenial => ({
  kind: 'Deployment',
  namespace: 'finance',
  name,
  count,
  since: TIME,
  last: TIME,
  reason: 'nothing in the pod confines it to a region',
  fix: 'put under spec.template.spec: nodeSelector: {topology.kubernetes.io/region: eu-west-1}',
  policies: ['finance'],
  ...more,
});

/** Reports the denials of cluster eu, of which all is known. */
export const reportDenials = async ({ ledger }: Pick<ApiHarness, 'ledger'>, denials: ClusterDenials): Promise<void> => {
  const known = { type: CONDITIONS.denialsKnown, status: 'True' as const, reason: 'Counted', message: '', lastTransitionTime: TIME };
  await reportChange(ledger, 'eu', {
    full: true,
    baseline: baselineIn(desiredOf(), 'eu'),
    cluster: { ...clusterReport(), conditions: [known], denials },
  });
};
