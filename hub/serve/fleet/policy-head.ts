import { type PolicyReport, type PolicyView, policyKey, SYSTEM_NAMESPACE } from '@fso/shared/api';
import { type PolicySet, regionsOf } from '@fso/shared/decode';
import type { Desired } from '../../ledger/index.ts';

/** Content of a policy, without its state in the clusters. */
export type PolicyHead = Omit<PolicyView, 'phase' | 'violations' | 'clusters' | 'next'>;

/** Policies of a commit, by key. */
export const headsFromGit = (set: PolicySet): Map<string, PolicyHead> => {
  const regions = regionsOf(set);
  const heads = new Map<string, PolicyHead>();
  for (const { document, source } of set.policies) {
    const { spec, metadata } = document;
    const head: PolicyHead = {
      // Every policy of Git is written into the agent's own namespace (shared/compile).
      namespace: SYSTEM_NAMESPACE,
      name: metadata.name,
      managedBy: 'hub',
      targetNamespace: spec.targetNamespace,
      allowedRegions: [...spec.allowedRegions],
      effectiveRegions: [...regions.resolve(spec.allowedRegions).regions],
      enforcementAction: spec.enforcementAction,
      ...(spec.description === undefined ? {} : { description: spec.description }),
      ...(spec.expiryDate === undefined ? {} : { expiryDate: spec.expiryDate }),
      source: { path: source.path, line: source.line },
    };
    heads.set(policyKey(head), head);
  }
  return heads;
};

/**
 * Policies that clusters should have, by key. A policy that the newest commit removes stays until
 * no cluster should have it.
 */
export const headsOf = (desired: Desired | null): ReadonlyMap<string, PolicyHead> =>
  new Map(desired === null ? [] : [...(desired.older ?? []), desired.set].flatMap((set) => [...headsFromGit(set)]));

/** Content of a policy that is not in Git: local, or of the hub and about to be removed. */
export const headFromReport = (report: PolicyReport): PolicyHead => ({
  namespace: report.namespace,
  name: report.name,
  managedBy: report.managedBy,
  targetNamespace: report.targetNamespace,
  allowedRegions: [...report.effectiveRegions],
  effectiveRegions: [...report.effectiveRegions],
  enforcementAction: report.enforcementAction,
  ...(report.expiryDate === undefined ? {} : { expiryDate: report.expiryDate }),
  source: null,
});
