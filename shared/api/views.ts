import { z } from 'zod';
import { EnrolmentView } from './access.ts';
import { ResourceName } from './common.ts';
import { ReportedDenial } from './findings/denials.ts';
import { ClusterEvent, ClusterReport, ManagedBy, PolicyKey, PolicyReport, RevisionVerification, Violation } from './reports.ts';
import { EnforcementAction, Phase, Risk } from './sovereign-policy.ts';

/** Responses of the hub's API, shared by the API, the `fso` command and the dashboard. */

const Time = z.iso.datetime({ offset: true });

/** Commit, with what people recognize it by. */
export const CommitView = z.object({
  revision: z.string().max(64).describe('Git commit id.'),
  author: z.string(),
  subject: z.string(),
  time: Time.describe('Committer time.'),
  accepts: z
    .string()
    .optional()
    .describe(
      'Stored plan that the trailer Accept-Effects of its message names, or of the message of a commit that it merges. Absent: none.',
    ),
});
export type CommitView = z.infer<typeof CommitView>;

/** Problem of the repository, with its place if it has one. */
export const ProblemView = z.object({
  path: z.string().optional(),
  line: z.int().optional(),
  column: z.int().optional(),
  code: z.string().optional().describe('For programs: why a commit is not trusted (unsigned, not-a-descendant, …).'),
  reason: z.string(),
});
export type ProblemView = z.infer<typeof ProblemView>;

/** State of the repository at the hub. */
export const SourceView = z.object({
  url: z.string().describe('Without credentials.'),
  ref: z.string(),
  revision: CommitView.nullable().describe('The commit in force: the last good one.'),
  verification: RevisionVerification.optional().describe("The hub's check of the commit in force; agents check it themselves."),
  rejected: z
    .object({ commit: CommitView, problems: z.array(ProblemView) })
    .nullable()
    .describe('A newer commit that was refused, with reasons.'),
  error: z.object({ message: z.string(), since: Time }).nullable().describe('Why the repository cannot be read now.'),
  lastFetch: Time.nullable(),
  commitUrl: z
    .string()
    .optional()
    .describe('Page of a commit, with `{revision}` for its id; absent: the repository has no known web page.'),
});
export type SourceView = z.infer<typeof SourceView>;

/** State of the stream of a cluster's agent. */
export const ConnectionState = z.enum(['Connected', 'Disconnected', 'NeverSeen']);
export type ConnectionState = z.infer<typeof ConnectionState>;

/** Cluster: its registration, its connection and its last report. */
export const ClusterView = z.object({
  name: ResourceName,
  regions: z.array(z.string()),
  provider: z.string().nullable().describe('Provider that it is registered with; null: none.'),
  labels: z.record(z.string(), z.string()),
  connection: ConnectionState,
  notObserved: z
    .object({
      since: Time,
      what: z
        .array(z.string())
        .describe('What is out of date: parts of the work of the agent, kinds that it reads, or HubPause where the hub itself was paused.'),
    })
    .nullable()
    .describe(
      'The agent is connected and does not know how its cluster is now: nothing counts as proven. null: it knows, or is not connected.',
    ),
  notKept: z
    .int()
    .nullable()
    .describe('Number of policies that the cluster reports and the hub does not keep, so that they are in no list. null: it keeps all.'),
  lastSeen: Time.nullable().describe('When the hub last received something from the cluster: the age of all fields below.'),
  offeredRevision: z.string().nullable(),
  revision: z.string().nullable().describe('Commit that the agent has accepted.'),
  provenRevision: z
    .string()
    .nullable()
    .describe('Commit of which the locks have proven every policy; null: none, or the cluster is not connected or not observed.'),
  inSync: z.boolean().describe('Connected, and its accepted revision is the one meant for it.'),
  waitsFor: z
    .object({ wave: z.string(), revision: z.string() })
    .optional()
    .describe('Wave whose turn the cluster waits for, and the commit that it is to have until then; absent: it is to have the newest.'),
  nack: z.object({ revision: z.string(), reasons: z.array(ProblemView), time: Time }).nullable(),
  policies: z.object({ total: z.int(), active: z.int(), failed: z.int(), pending: z.int(), expired: z.int() }),
  violations: z.int(),
  clockSkewMs: z.int().nullable().describe("By how many milliseconds the agent's clock is ahead of the hub's; null: unknown."),
  certificateExpires: Time.nullable().describe("Expiry of the agent's client certificate; null: it has none."),
  report: ClusterReport.nullable(),
});
export type ClusterView = z.infer<typeof ClusterView>;

/** Policy in one cluster, as last reported. */
export const PolicyInCluster = z.object({
  cluster: ResourceName,
  fresh: z.boolean().describe('Whether the cluster is connected and observed; otherwise the report is the last one that arrived.'),
  report: PolicyReport.nullable().describe('null: the cluster should have the policy and has not reported it yet.'),
  changed: Time.nullable().describe(
    'When it last changed: as the agent says, or, where it has not been asked, when the hub learned of it (after a restart: of the last change in this cluster).',
  ),
});
export type PolicyInCluster = z.infer<typeof PolicyInCluster>;

/** Full state of a policy in one cluster, requested from its agent. */
export const PolicyDetail = PolicyInCluster.extend({
  source: z
    .enum(['agent', 'report', 'none'])
    .describe(
      'Where the report is from. agent: told by the agent when it was asked just now. report: as last reported, in full. none: only its state was reported, or nothing, and the agent cannot be asked.',
    ),
});
export type PolicyDetail = z.infer<typeof PolicyDetail>;

/** Policy, with a page of the clusters that have it or should have it. */
export const PolicyView = z.object({
  namespace: z.string(),
  name: z.string(),
  managedBy: ManagedBy,
  targetNamespace: z.string(),
  allowedRegions: z.array(z.string()).describe('As written, groups not expanded.'),
  effectiveRegions: z.array(z.string()),
  enforcementAction: EnforcementAction,
  description: z.string().optional(),
  expiryDate: Time.optional(),
  source: z.object({ path: z.string(), line: z.int() }).nullable().describe('Where it stands in Git; null for a local policy.'),
  phase: Phase.describe('The worst phase of its clusters: Failed, Pending, Active, Expired.'),
  violations: z.int(),
  clusters: z.array(PolicyInCluster).describe('By name, at most 1,000; phase and violations are of all.'),
  next: z.string().nullable().describe('Cursor of the next clusters; null: there are no more.'),
});
export type PolicyView = z.infer<typeof PolicyView>;

/** Violation, with its cluster and policy. */
export const ViolationView = Violation.extend({ cluster: ResourceName, policy: PolicyKey, enforcementAction: EnforcementAction });
export type ViolationView = z.infer<typeof ViolationView>;

/** Owner at risk, with its cluster and policy. */
export const RiskView = Risk.extend({
  cluster: ResourceName,
  policy: PolicyKey,
  fresh: z.boolean().describe('Whether the cluster is connected, observed and knows its risks; otherwise it is as last reported.'),
});
export type RiskView = z.infer<typeof RiskView>;

/** Owner with refused pods, with its cluster. */
export const DenialView = ReportedDenial.extend({
  cluster: ResourceName,
  fresh: z.boolean().describe('Whether the cluster is connected and observed; otherwise it is as last reported.'),
});
export type DenialView = z.infer<typeof DenialView>;

/** Event of a cluster or of the hub, with its id. */
export const EventView = ClusterEvent.extend({ id: z.int(), cluster: ResourceName.nullable().describe('null: the hub itself.') });
export type EventView = z.infer<typeof EventView>;

/** State of hub and fleet in numbers. */
export const StatusView = z.object({
  version: z.string(),
  source: SourceView,
  clusters: z.object({
    total: z.int(),
    connected: z.int(),
    notObserved: z.int().describe('Connected, and their agents do not know how they are now.'),
    disconnected: z.int().describe('Connected earlier: their data is old.'),
    neverSeen: z.int(),
    notAllKept: z.int().describe('Clusters of which the hub does not keep all policies: see `notKept` of a cluster.'),
    inSync: z.int(),
    proven: z.int(),
    risksUnknown: z.int().describe('Clusters of which not all is known of the next pods: away, not observed, or not all judged.'),
    denialsUnknown: z.int().describe('Clusters of which not all refused pods are known: away, not observed, or not all counted.'),
    tampered: z.int().describe('Clusters that, by their last report, reverted a change or deletion within an hour.'),
  }),
  policies: z.object({
    total: z.int(),
    active: z.int(),
    failed: z.int(),
    pending: z.int(),
    expired: z.int(),
    expiring: z.int().describe('Expire within 14 days; also counted under their phase.'),
  }),
  violations: z.int(),
});
export type StatusView = z.infer<typeof StatusView>;

/** Body of every error of the API: problem details of RFC 9457. */
export const ProblemDetails = z.object({
  type: z.string(),
  title: z.string(),
  status: z.int(),
  code: z.string(),
  detail: z.string().optional(),
  requestId: z.string(),
  problems: z.array(ProblemView).optional().describe('Problems of files that were sent, by their place.'),
});
export type ProblemDetails = z.infer<typeof ProblemDetails>;

/**
 * Schema of a page of items. `total` counts the items of all pages; `next` is null on the last
 * page.
 */
export const pageOf = <T extends z.ZodType>(item: T) => z.object({ items: z.array(item), total: z.int(), next: z.string().nullable() });
export const PolicyPage = pageOf(PolicyView);
export const PolicyDetailPage = pageOf(PolicyDetail);
export const ClusterPage = pageOf(ClusterView);
export const EnrolmentPage = pageOf(EnrolmentView);
export const ViolationPage = pageOf(ViolationView);
export const RiskPage = pageOf(RiskView);
export const DenialPage = pageOf(DenialView);
export const EventPage = pageOf(EventView);
/** Items of one page. `total` counts the items of all pages. */
export interface Page<T> {
  readonly items: T[];
  readonly total: number;
  /** Cursor of the next page. */
  readonly next: string | null;
}

/** Policy in Git: its document and its history. */

/** Document of a policy in Git. */
export const PolicySourceView = z.object({
  path: z.string(),
  line: z.int().describe('First line of the document.'),
  revision: z.string().describe('Commit that it was read from: the one in force.'),
  yaml: z.string().describe('The document as it stands in Git, comments included; at most 1 MiB.'),
});
export type PolicySourceView = z.infer<typeof PolicySourceView>;

/** Commit that changed a policy, with the resulting document. */
export const PolicyRevision = z.object({
  commit: CommitView,
  change: z.enum(['added', 'changed', 'removed']),
  path: z.string(),
  yaml: z.string().nullable().describe('The document as of this commit; null: removed.'),
});
export type PolicyRevision = z.infer<typeof PolicyRevision>;

/** Commits that changed the document of a policy. */
export const PolicyHistory = z.object({
  items: z.array(PolicyRevision).describe('Newest first, at most 50.'),
  complete: z.boolean().describe('Whether it reaches back to the first commit.'),
});
export type PolicyHistory = z.infer<typeof PolicyHistory>;
