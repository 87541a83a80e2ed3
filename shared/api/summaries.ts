import { z } from 'zod';
import { ResourceName } from './common.ts';
import { EnforcementAction, LockState, Phase } from './sovereign-policy.ts';
import { PolicyInCluster, PolicyView, pageOf, ViolationView } from './views.ts';

/** The fleet in lines short enough for a thousand policies and hundreds of clusters. */

const Count = z.int().min(0);

/** In how many clusters a lock is in which state. */
export const LockCounts = z.partialRecord(LockState, Count);
export type LockCounts = z.infer<typeof LockCounts>;

/** One policy without its clusters: for lists. */
export const PolicySummary = PolicyView.omit({ clusters: true }).extend({
  clusters: z
    .object({
      total: Count.describe('Clusters that are meant to have it, or report it.'),
      connected: Count,
      active: Count,
      failed: Count,
      pending: Count,
      expired: Count,
    })
    .describe('By the phase that each cluster contributes: one that is not connected is at best pending.'),
  locks: z.object({ admission: LockCounts, gatekeeper: LockCounts, binding: LockCounts }).describe('As last reported.'),
  namespaces: Count.describe('Namespaces that it governs, over all clusters.'),
  lastUpdated: z.iso.datetime({ offset: true }).nullable().describe('When a cluster last reported a change of it.'),
});
export type PolicySummary = z.infer<typeof PolicySummary>;
export const PolicySummaryPage = pageOf(PolicySummary);

/** One policy as it stands in one cluster. */
export const ClusterPolicy = PolicyView.omit({ clusters: true }).extend({
  phase: Phase.describe('What the cluster contributes: one that is not connected at best Pending.'),
  violations: Count.describe('In this cluster.'),
  fresh: PolicyInCluster.shape.fresh,
  report: PolicyInCluster.shape.report,
});
export type ClusterPolicy = z.infer<typeof ClusterPolicy>;
export const ClusterPolicyPage = pageOf(ClusterPolicy);

export const VIOLATION_GROUPS = ['policy', 'cluster', 'namespace', 'workload', 'region'] as const;
export const ViolationGrouping = z.enum(VIOLATION_GROUPS);
export type ViolationGrouping = z.infer<typeof ViolationGrouping>;

export const ViolationGroup = z.object({
  key: z
    .string()
    .describe(
      '`namespace/name` of a policy, name of a cluster, `cluster/namespace`, `cluster/namespace/kind/name` of a workload, region; `` = none.',
    ),
  violations: Count.describe('All that agents count for a policy or cluster; of the other groups those that agents name.'),
  named: Count.describe('Those that can be listed: agents name the first 20 of each policy.'),
  policies: Count.describe('Policies that the named ones are of.'),
  clusters: Count,
  worstAction: EnforcementAction.nullable().describe('Strongest action of the named ones.'),
  oldest: z.iso.datetime({ offset: true }).nullable().describe('Since when the oldest named one stands.'),
});
export type ViolationGroup = z.infer<typeof ViolationGroup>;
export const ViolationGroupPage = pageOf(ViolationGroup);

export const RegionView = z.object({
  region: z.string(),
  groups: z.array(z.string()).describe('RegionGroups that hold it.'),
  policies: Count.describe('Policies that allow it.'),
  clusters: z.array(ResourceName).describe('Registered with it, or with nodes there.'),
  nodes: Count.describe('As last reported.'),
  violations: Count.describe('Named violations of pods that run there.'),
});
export type RegionView = z.infer<typeof RegionView>;
export const RegionList = z.object({
  items: z
    .array(RegionView)
    .describe('Every region that a policy allows, a cluster is registered with, a node or a violation is in; by name.'),
  nodesWithoutRegion: Count,
});
export type RegionList = z.infer<typeof RegionList>;

/** The report for auditors: every issue of the fleet at one moment. */
export const IssueReport = z.object({
  generatedAt: z.iso.datetime({ offset: true }),
  revision: z.string().nullable().describe('Commit in force at the hub.'),
  clusters: z
    .array(z.object({ cluster: ResourceName, problem: z.string(), since: z.iso.datetime({ offset: true }).nullable() }))
    .describe('Not connected, behind, refused a commit, tampered with, a lock not ready.'),
  policies: z
    .array(
      z.object({
        policy: z.string(),
        cluster: z.string().nullable(),
        problem: z.string(),
        since: z.iso.datetime({ offset: true }).nullable(),
      }),
    )
    .describe(
      'Failed, expired or about to expire, in conflict; and in connected clusters: pending, never reported, a lock degraded or unavailable.',
    ),
  violations: z.array(ViolationView),
  unnamedViolations: Count.describe('Violations that agents count beyond those they name.'),
  omitted: z
    .object({ clusters: Count, policies: Count, violations: Count })
    .describe('Issues beyond the first 10,000 of each list, which are not in it.'),
});
export type IssueReport = z.infer<typeof IssueReport>;
