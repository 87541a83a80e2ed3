import { z } from 'zod';
import { AlertNameView, AlertSeverityView } from './alerts/views.ts';
import { ResourceName } from './common.ts';
import { isAwaitingNamespace, PolicyKey } from './reports.ts';
import { EnforcementAction, LockState, Phase } from './sovereign-policy.ts';
import { DenialView, PolicyInCluster, PolicyView, pageOf, RiskView, ViolationView } from './views.ts';

/** The fleet in rows that are small enough for a thousand policies and hundreds of clusters. */

const Count = z.int().min(0);

/** Number of clusters in each state of a lock. */
export const LockCounts = z.partialRecord(LockState, Count);
export type LockCounts = z.infer<typeof LockCounts>;

/** Policy without its clusters, for lists. */
export const PolicySummary = PolicyView.omit({ clusters: true, next: true }).extend({
  clusters: z
    .object({
      total: Count.describe('Clusters that should have it, or that report it.'),
      connected: Count.describe('Of those, the clusters that are connected and observed.'),
      active: Count,
      failed: Count,
      pending: Count,
      expired: Count,
    })
    .describe('By the phase that each cluster contributes: one that is not connected or not observed is at best pending.'),
  locks: z.object({ admission: LockCounts, gatekeeper: LockCounts, binding: LockCounts }).describe('As last reported.'),
  namespaces: Count.describe('Namespaces that it governs, over all clusters.'),
  lastUpdated: z.iso.datetime({ offset: true }).nullable().describe('When a cluster last reported a change of it.'),
});
export type PolicySummary = z.infer<typeof PolicySummary>;
export const PolicySummaryPage = pageOf(PolicySummary);

/** State of a policy in one cluster. */
export const ClusterPolicy = PolicyView.omit({ clusters: true, next: true }).extend({
  phase: Phase.describe('Phase that the cluster contributes: at best Pending while it is not connected or not observed.'),
  violations: Count.describe('In this cluster.'),
  fresh: PolicyInCluster.shape.fresh,
  report: PolicyInCluster.shape.report,
  changed: PolicyInCluster.shape.changed,
});
export type ClusterPolicy = z.infer<typeof ClusterPolicy>;

/**
 * Phase that one cluster contributes to a policy. Unknown state is not compliant: a cluster that is
 * not connected contributes at best `Pending`, whatever it last reported. `Failed` stays, unless
 * the policy only waits for its namespace.
 */
export const effectivePhase = ({ fresh, report }: Pick<PolicyInCluster, 'fresh' | 'report'>): Phase => {
  if (report === null || isAwaitingNamespace(report)) return 'Pending';
  return fresh || report.phase === 'Failed' ? report.phase : 'Pending';
};
export const ClusterPolicyPage = pageOf(ClusterPolicy);

/** Keys by which violations can be counted. */
export const VIOLATION_GROUPS = ['policy', 'cluster', 'namespace', 'workload', 'region'] as const;
/** Key by which violations are counted. */
export const ViolationGrouping = z.enum(VIOLATION_GROUPS);
export type ViolationGrouping = z.infer<typeof ViolationGrouping>;

/** Violations counted by one key. */
export const ViolationGroup = z.object({
  key: z
    .string()
    .describe('Key of a policy, name of a cluster, `cluster/namespace`, `cluster/namespace/kind/name` of a workload, region; `` = none.'),
  violations: Count.describe('Of a policy or cluster, all that agents count; of the other groups, those that agents list.'),
  named: Count.describe('Those that agents list: the first 20 of each cluster.'),
  policies: Count.describe('Policies that the listed ones violate.'),
  clusters: Count,
  worstAction: EnforcementAction.nullable().describe('Strongest action of the listed ones.'),
  oldest: z.iso.datetime({ offset: true }).nullable().describe('When the oldest listed one started.'),
});
export type ViolationGroup = z.infer<typeof ViolationGroup>;
export const ViolationGroupPage = pageOf(ViolationGroup);

/** Place of a region, by the catalogue of regions. */
export const RegionPlace = z.object({
  country: z.string().describe('ISO 3166-1 alpha-2.'),
  place: z.string().describe('City or area, as the provider publishes it.'),
  coordinates: z.tuple([z.number(), z.number()]).nullable().describe('Latitude and longitude in degrees; null: not known.'),
  partition: z
    .string()
    .nullable()
    .describe("Part of the provider's cloud with accounts and law of its own; null: the provider is not known."),
  operator: z.string().nullable().describe('Company that runs it, where that is known not to be the provider.'),
});
export type RegionPlace = z.infer<typeof RegionPlace>;

/** Region, with its place, clusters and nodes. */
export const RegionView = z.object({
  region: z.string(),
  provider: z.string().nullable().describe('Provider that the clusters in it are registered with; null: they are registered with none.'),
  place: RegionPlace.nullable().describe(
    'null: the catalogue does not have it, or, with `provider` null, providers mean different countries by its name.',
  ),
  readings: z
    .array(z.object({ provider: z.string(), country: z.string() }))
    .describe('What providers mean by its name, where these are different countries and `provider` is null.'),
  groups: z.array(z.string()).describe('RegionGroups that contain it, and groups of the catalogue.'),
  policies: Count.describe('Policies that allow it, as they are read by this provider.'),
  clusters: z.array(ResourceName).describe('Clusters that are registered with it or have nodes in it.'),
  nodes: Count.describe('As last reported.'),
  violations: Count.describe('Listed violations of pods that run there.'),
});
export type RegionView = z.infer<typeof RegionView>;
/**
 * Page of every region that a policy allows, that a cluster is registered with, or that has a node
 * or a violation.
 */
export const RegionPage = pageOf(RegionView).extend({
  nodesWithoutRegion: Count.describe('Of all clusters.'),
  catalog: z
    .object({
      version: z.string(),
      source: z
        .enum(['repository', 'release'])
        .describe(
          'repository: regions/catalog.yaml of the commit in force. release: that has none, and places are shown by the data of this hub; it decides nothing.',
        ),
    })
    .describe('Catalogue by which places are shown.'),
});
export type RegionPage = z.infer<typeof RegionPage>;

const issue = {
  alert: AlertNameView.describe('Name of the alert that it becomes if it lasts.'),
  severity: AlertSeverityView,
  problem: z.string(),
  since: z.iso.datetime({ offset: true }).nullable(),
};

/** Issue of a group. */
const IssueView = z.object({
  cluster: ResourceName.nullable(),
  policy: PolicyKey.nullable(),
  problem: z.string(),
  since: z.iso.datetime({ offset: true }).nullable(),
  current: z.boolean().describe('false: as a cluster reported it that is not connected or not observed.'),
});

/** Issues with one cause, and what to do. */
export const IssueGroup = z.object({
  name: AlertNameView.describe('Name of the alert that each of its issues becomes if it lasts.'),
  severity: AlertSeverityView,
  summary: z.string().describe('One line, such as `Not connected: 3 clusters`.'),
  remedy: z.string().describe('What to do.'),
  since: z.iso.datetime({ offset: true }).nullable().describe('When the oldest one began, as far as that is known.'),
  count: Count.describe('Issues in it.'),
  clusters: Count,
  policies: Count,
  path: z.string().describe('Page of the dashboard that shows all of it, relative to the address of the hub.'),
  issues: z.array(IssueView).describe('The first 10.'),
});
export type IssueGroup = z.infer<typeof IssueGroup>;

/** Issues that exist now, by cause. */
export const IssueList = z.object({
  items: z.array(IssueGroup).describe('The most severe first.'),
  complete: z
    .boolean()
    .describe('false: the hub has not read the repository, or not verified the audit log, since its start: there may be more.'),
});
export type IssueList = z.infer<typeof IssueList>;

/** Report for auditors: every issue of the fleet at one moment. */
export const IssueReport = z.object({
  generatedAt: z.iso.datetime({ offset: true }),
  revision: z.string().nullable().describe('Commit in force at the hub.'),
  hub: z.array(z.object(issue)).describe('The repository cannot be read, its newest commit was rejected or is not trusted.'),
  clusters: z
    .array(z.object({ cluster: ResourceName, ...issue }))
    .describe('Not connected, behind, refused a commit, tampered with, a lock not ready, a certificate that was not renewed.'),
  policies: z
    .array(z.object({ policy: PolicyKey, cluster: z.string().nullable(), ...issue }))
    .describe(
      'Failed, expired or about to expire, in conflict; and in connected clusters: pending, never reported, a lock degraded or unavailable.',
    ),
  violations: z.array(ViolationView),
  unnamedViolations: Count.describe('Violations that agents count beyond those they list.'),
  omitted: z
    .object({ clusters: Count, policies: Count, violations: Count })
    .describe('Issues beyond the first 10,000 of each list, which are left out.'),
});
export type IssueReport = z.infer<typeof IssueReport>;

/** Keys by which owners at risk can be counted. */
export const RISK_GROUPS = ['policy', 'cluster', 'namespace', 'owner'] as const;
/** Key by which owners at risk are counted. */
export const RiskGrouping = z.enum(RISK_GROUPS);
export type RiskGrouping = z.infer<typeof RiskGrouping>;

/** Owners at risk counted by one key. */
export const RiskGroup = z.object({
  key: z.string().describe('Key of a policy, name of a cluster, `cluster/namespace`, `cluster/namespace/kind/name` of an owner.'),
  refused: Count.describe(
    'Owners whose next pods would be refused. Of a policy or cluster, all that agents count; else those that they list.',
  ),
  pending: Count.describe('Owners whose next pods would stay pending, likewise.'),
  named: Count.describe('Those that agents list: the first 20 of each cluster.'),
  policies: Count.describe('Policies of the listed ones.'),
  clusters: Count,
});
export type RiskGroup = z.infer<typeof RiskGroup>;
export const RiskGroupPage = pageOf(RiskGroup);

/** All owners at risk that are known by name, in one document. */
export const RiskReport = z.object({
  generatedAt: z.iso.datetime({ offset: true }),
  revision: z.string().nullable().describe('Commit in force.'),
  risks: z.array(RiskView).describe('The first 10,000, by cluster, policy, namespace, kind and name.'),
  unnamed: z.object({ refused: Count, pending: Count }).describe('Counted by agents beyond those that they name.'),
  omitted: Count.describe('Named ones beyond those that are listed.'),
  unknownClusters: z.array(ResourceName).describe('Clusters of which not all is known: not connected, not observed, or not judged.'),
});
export type RiskReport = z.infer<typeof RiskReport>;

/** Keys by which refused pods can be counted. */
export const DENIAL_GROUPS = ['policy', 'team', 'cluster', 'namespace', 'owner', 'reason'] as const;
/** Key by which refused pods are counted. */
export const DenialGrouping = z.enum(DENIAL_GROUPS);
export type DenialGrouping = z.infer<typeof DenialGrouping>;

/** Refused pods counted by one key. */
export const DenialGroup = z.object({
  key: z
    .string()
    .describe(
      'Key of a policy, label `team` of policies (`-`: none), name of a cluster, `cluster/namespace`, `cluster/namespace/kind/name` of an owner, or the failing term.',
    ),
  count: Count.nullable().describe(
    'Refusals within the last hour of the owners that clusters list, or of a cluster all that are known; null: not known.',
  ),
  owners: Count,
  clusters: Count,
  total: Count.nullable().describe(
    'Of a cluster: pods that its API server refused within the last hour; null: not known, or of no cluster.',
  ),
  unnamed: Count.nullable().describe('Those without an owner that is known.'),
});
export type DenialGroup = z.infer<typeof DenialGroup>;
export const DenialGroupPage = pageOf(DenialGroup);

/** All owners with refused pods that are known by name, in one document. */
export const DenialReport = z.object({
  generatedAt: z.iso.datetime({ offset: true }),
  revision: z.string().nullable().describe('Commit in force.'),
  denials: z.array(DenialView).describe('The first 10,000, by cluster, namespace, kind and name.'),
  omitted: Count.describe('Known owners beyond those: a cluster lists 40 of its own.'),
  clusters: z
    .array(z.object({ cluster: ResourceName, pods: Count, unnamed: Count, minutes: Count }))
    .describe('What API servers counted within the last hour, or within `minutes`.'),
  unknownClusters: z.array(ResourceName).describe('Clusters of which not all is known: not connected, not observed, or not counted.'),
});
export type DenialReport = z.infer<typeof DenialReport>;
