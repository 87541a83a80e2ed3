import { type ClusterDenials, type ClusterProcessing, type PolicyReport, policyKey } from '@fso/shared/api';
import { TIME } from '../../testing/fleet.ts';

/** Owners under each policy, and one under all of them. */
export const denialsOf = (reports: readonly PolicyReport[]): ClusterDenials => {
  const keys = reports.map(policyKey);
  const denials = reports.flatMap((each) =>
    (each.risks?.named ?? []).flatMap(({ kind, namespace, name, reason, fix }) => {
      const denial = { kind, namespace, name, count: 1, since: TIME, last: TIME, reason, fix, policies: [policyKey(each)] };
      return [denial, { ...denial, namespace: 'shared', name: 'shared', reason: 'shared', fix: 'shared', policies: keys.slice(0, 5) }];
    }),
  );
  return { minutes: 60, pods: 9, recent: 0, bindings: 0, owners: denials.length, named: denials.length, denials };
};

/** Places of pods under these policies, in namespaces of their names. */
export const processingOf = (reports: readonly PolicyReport[]): ClusterProcessing => ({
  rows: reports.map((report) => {
    const policy = policyKey(report);
    return { namespace: policy.replace('/', '-'), policies: [policy], country: 'IE', provider: 'aws', region: 'eu-west-1', pods: 1 };
  }),
  omitted: 0,
});
