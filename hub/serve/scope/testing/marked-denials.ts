import { type AnsweredPreview, type ClusterDenials, type ClusterProcessing, type PolicyReport, policyKey } from '@fso/shared/api';
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

/** Owners under these policies that a change would refuse. */
export const previewOf = (reports: readonly PolicyReport[]): AnsweredPreview => {
  const owners = reports.flatMap((each) =>
    (each.risks?.named ?? []).map(({ kind, namespace, name, reason, fix }) => ({
      kind,
      namespace,
      name,
      reason,
      fix,
      policies: [policyKey(each)],
    })),
  );
  const all = { now: 0, after: owners.length, begins: owners.length, ends: 0, owners };
  const lookedAt = { namespaces: owners.length, owners: owners.length, pods: 0 };
  return { state: 'Answered', observedAt: TIME, lookedAt, omitted: 0, outside: all, refused: all, pending: all };
};
