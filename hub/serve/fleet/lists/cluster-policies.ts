import { type ClusterPolicy, Phase, policyKey } from '@fso/shared/api';
import { z } from 'zod';
import { type Orders, sortParameter } from '../../http/paging.ts';
import { Flag, includesText, isWanted, paging, Search } from '../../queries.ts';
import { effectivePhase, SEVERITY } from '../phases.ts';
import type { PolicyEntry } from '../policy-entry.ts';

/** Which policies of one cluster, and in which order. */

export const ClusterPolicyQuery = z.strictObject({
  phase: Phase.optional().describe('What the cluster contributes.'),
  violating: Flag.optional().describe('true: those with violations in this cluster; false: those without.'),
  q: Search.describe('Part of the name or of the target namespace, upper and lower case alike.'),
  sort: sortParameter(['name', 'target', 'phase', 'violations', 'updated']),
  ...paging,
});
export type ClusterPolicyQuery = z.output<typeof ClusterPolicyQuery>;

/** @returns undefined where the cluster neither is meant to have it nor reports it */
export const clusterPolicy = (entry: PolicyEntry, cluster: string): ClusterPolicy | undefined => {
  const row = entry.rows.get(cluster);
  const head = entry.head();
  if (row === undefined || head === undefined) return undefined;
  const { fresh, report } = row;
  return { ...head, phase: effectivePhase(row), violations: report?.violations ?? 0, fresh, report };
};

export const clusterPolicyOrders: Orders<ClusterPolicy, 'name' | 'target' | 'phase' | 'violations' | 'updated'> = {
  keyOf: policyKey,
  by: {
    name: policyKey,
    target: ({ targetNamespace }) => targetNamespace,
    phase: ({ phase }) => SEVERITY.indexOf(phase),
    violations: ({ violations }) => violations,
    updated: ({ report }) => Date.parse(report?.lastUpdated ?? '') || 0,
  },
};

export const matchesClusterPolicy = (policy: ClusterPolicy, { phase, violating, q }: ClusterPolicyQuery): boolean =>
  isWanted(phase, policy.phase) &&
  isWanted(violating, policy.violations > 0) &&
  (includesText(policy.name, q) || includesText(policy.targetNamespace, q));
