import { z } from 'zod';
import { MAX_MESSAGE, NamespaceName, Region, ResourceName } from './common.ts';
import { ClusterDenials } from './findings/denials.ts';
import { CONDITIONS, NAMESPACE_MISSING, SYSTEM_NAMESPACE } from './names.ts';
import { Condition, EnforcementAction, LockStatus, MAX_NAMED_RISKS, Phase, PolicyRisks, Risk } from './sovereign-policy.ts';

/** Origin of a policy: the hub, which reads it from Git, or the cluster itself. */
export const ManagedBy = z.enum(['hub', 'local']);
export type ManagedBy = z.infer<typeof ManagedBy>;

const Time = z.iso.datetime({ offset: true });
const Revision = z.string().min(1).max(64);

/** Largest count: the ledger's columns are 32 bits wide. */
const MAX_COUNT = 2_147_483_647;

/** Most violations that a report names: of a cluster, and of a policy that is reported whole. */
export const MAX_SAMPLES = 20;
/** Most labels that a report names for one namespace. */
export const MAX_LABELS = 64;
/** Most regions for which a report counts the nodes. */
export const MAX_NODE_REGIONS = 1_000;

/** Record with at most `max` keys. */
const boundedRecord = <V extends z.ZodType>(key: z.ZodString, value: V, max: number) =>
  z
    .record(key, value)
    .refine((record) => Object.keys(record).length <= max, { error: `Too big: expected at most ${max} keys` })
    .meta({ maxProperties: max });

/** Pod, or the owner of one, outside the allowed regions. */
export const Violation = z.object({
  kind: z.string().max(63).describe('Pod, Deployment, …'),
  namespace: NamespaceName,
  name: z.string().max(253),
  node: z.string().max(253).optional().describe('Node that the pod runs on, if any.'),
  region: z.string().max(63).optional().describe('Region of that node, if it has one.'),
  reason: z.string().max(2048).describe('The term or value that leaves the allowed regions.'),
  since: Time,
});
export type Violation = z.infer<typeof Violation>;

/** Lock of a policy. `since` and `message` are known only to the agent. */
export const ReportedLock = LockStatus.partial({ since: true });
export type ReportedLock = z.infer<typeof ReportedLock>;

/** Locks of a policy, as reported by an agent. */
export const ReportedEnforcement = z.object({ admission: ReportedLock, gatekeeper: ReportedLock, binding: ReportedLock });

/** Condition of a policy. Its time is known only to the agent. */
export const ReportedCondition = Condition.partial({ lastTransitionTime: true });
export type ReportedCondition = z.infer<typeof ReportedCondition>;

/**
 * Report on one policy in its cluster. The report of a hub policy is short: it has what a list, a
 * state and a code express, without times, messages and labels, so that it is the same in all
 * clusters. The agent sends the rest on request.
 */
export const PolicyReport = z.object({
  namespace: NamespaceName,
  name: ResourceName,
  managedBy: ManagedBy,
  revision: Revision.optional(),
  targetNamespace: z.string().max(63),
  enforcementAction: EnforcementAction,
  effectiveRegions: z.array(Region).max(1000),
  namespaces: z.array(NamespaceName).max(10_000),
  phase: Phase,
  message: z.string().max(32_768),
  constraintCreated: z.boolean().optional(),
  enforcement: ReportedEnforcement,
  violations: z.int().min(0).max(MAX_COUNT),
  namespaceLabels: z
    .array(z.object({ namespace: NamespaceName, labels: boundedRecord(z.string().max(317), z.string().max(63), MAX_LABELS) }))
    .max(20)
    .optional()
    .describe('The compliance.gov/ labels of the first governed namespaces, by name.'),
  violationSamples: z.array(Violation).max(MAX_SAMPLES).describe('The first violations, by namespace and name.'),
  risks: PolicyRisks.optional().describe('Owners whose next pods would be refused or stay pending; absent: none, or not known.'),
  conditions: z.array(ReportedCondition).max(32),
  expiryDate: Time.optional(),
  lastUpdated: Time.optional().describe('Absent from a short report.'),
});
export type PolicyReport = z.infer<typeof PolicyReport>;

/** Whether a report contains no more than the hub knows without asking the agent. */
export const isShortReport = ({ lastUpdated }: Pick<PolicyReport, 'lastUpdated'>): boolean => lastUpdated === undefined;

/**
 * Whether a short report states that its policy is as expected: proven, expired, or without its
 * namespace.
 */
export const isAsExpected = (report: Pick<PolicyReport, 'conditions' | 'lastUpdated'>): boolean =>
  isShortReport(report) && report.conditions.length === 0;

/**
 * Whether the hub does not know the content of a policy in its cluster. Its target, action and
 * regions are then meaningless.
 */
export const isUnlisted = ({ targetNamespace }: Pick<PolicyReport, 'targetNamespace'>): boolean => targetNamespace === '';

/** Whether a policy currently governs no namespace, and so has nothing to enforce. */
export const isNamespaceMissing = (report: Pick<PolicyReport, 'phase' | 'conditions' | 'lastUpdated'>): boolean =>
  isAsExpected(report)
    ? report.phase === 'Pending'
    : report.conditions.some(({ type, reason }) => type === CONDITIONS.ready && reason === NAMESPACE_MISSING);

/**
 * Whether a policy that was applied in its cluster waits there for its namespace. It may be Failed
 * there although nothing is wrong.
 */
export const isAwaitingNamespace = ({ managedBy, conditions }: Pick<PolicyReport, 'managedBy' | 'conditions'>): boolean =>
  managedBy === 'local' && conditions.some(({ type, reason }) => type === CONDITIONS.ready && reason === NAMESPACE_MISSING);

/** Result of the check of a commit's signature. */
export const RevisionVerification = z.object({
  state: z
    .enum(['verified', 'unverified', 'failed'])
    .describe(
      'unverified: not checked, as no signers are configured; failed: the check failed and the commit was accepted all the same (FSO_VERIFY=warn).',
    ),
  signer: z.string().max(5000).optional().describe('Principals or user id, and fingerprint of the key; when verified.'),
  reason: z.string().max(2048).optional().describe('Code and explanation; when failed.'),
});
export type RevisionVerification = z.infer<typeof RevisionVerification>;

/** {@link policyKey} of the longest namespace and name, with the slash. */
export const PolicyKey = z.string().max(317).describe("Name of a policy; outside of the agent's namespace, namespace/name.");

/** Most approvers that a report names. */
export const MAX_APPROVERS = 50;

/** Commit that an agent has verified but does not accept yet, as it lacks an approval. */
export const HeldRevision = z.object({
  revision: Revision,
  tag: z.string().max(160).describe('Name of the signed tag that approves it.'),
  missing: z.int().min(0).max(2).describe('Number of approvals that are missing; 0: a signer has revoked it.'),
  approvers: z.array(z.string().max(320)).max(MAX_APPROVERS).describe('Principals whose approval counts.'),
  problems: z.array(z.string().max(512)).max(8).describe('Why tags that the agent got do not count.'),
});
export type HeldRevision = z.infer<typeof HeldRevision>;

/** Part of a cluster's report about the commits of the hub. Each commit changes it. */
export const RevisionFacts = z.object({
  /** Commit that the agent accepted and whose policies it wrote to its cluster. */
  revision: Revision.nullable(),
  /**
   * Commit for which both locks (or each lock that the cluster can have) have proven every policy.
   * It trails `revision`.
   */
  provenRevision: Revision.nullable(),
  /** Result of the signature check of `revision`. */
  verification: RevisionVerification.shape.state,
  signer: RevisionVerification.shape.signer,
  verificationReason: RevisionVerification.shape.reason,
  held: HeldRevision.optional().describe('A newer commit that waits for an approval; absent: none does.'),
  verifiedRevision: Revision.optional().describe(
    'Newest commit that the agent has verified, whose policies wait: its signers count already; absent: `revision`.',
  ),
});
export type RevisionFacts = z.infer<typeof RevisionFacts>;

/** Facts of a cluster that its agent reports, in addition to the policies. */
export const ClusterReport = RevisionFacts.extend({
  agentVersion: z.string().max(64),
  kubernetesVersion: z.string().max(64),
  gatekeeper: z.object({
    state: z.enum(['Ready', 'NotReady', 'Absent']),
    version: z.string().max(64).optional(),
    message: z.string().max(2048).optional(),
  }),
  /** Number of nodes by region. Nodes without a region count under `''`. */
  nodesByRegion: boundedRecord(z.string().max(63), z.int().min(0).max(MAX_COUNT), MAX_NODE_REGIONS),
  conditions: z.array(Condition.extend({ message: z.string().max(MAX_MESSAGE) })).max(32),
  clockSkewMs: z.int().optional().describe("By how many milliseconds the agent's clock is ahead of the hub's."),
  certificateExpires: Time.optional().describe("Expiry of the agent's client certificate, if it has one."),
});
export type ClusterReport = z.infer<typeof ClusterReport>;

/** A cluster's report on itself, as its agent sends it. */
export const AgentClusterReport = ClusterReport.extend({
  violationSamples: z
    .array(Violation.extend({ policy: PolicyKey }))
    .max(MAX_SAMPLES)
    .optional()
    .describe('The first violations of policies of the hub, by policy; those of others are in their reports.'),
  riskSamples: z
    .array(Risk.extend({ policy: PolicyKey }))
    .max(MAX_NAMED_RISKS)
    .optional()
    .describe('The first owners at risk under policies of the hub, by policy; those of others are in their reports.'),
  denials: ClusterDenials.optional().describe('Pods that lock 1 refused; absent: not known.'),
});
export type AgentClusterReport = z.infer<typeof AgentClusterReport>;

/** Namespace and name of a SovereignPolicy. */
export interface PolicyRef {
  readonly namespace: string;
  readonly name: string;
}

/**
 * Formats the key of a policy, its name everywhere except in Kubernetes itself: `finance` in the
 * agent's namespace, where all policies of the hub are, `team-a/finance` elsewhere. Names contain
 * no slash, so a key is unambiguous.
 */
export const policyKey = ({ namespace, name }: PolicyRef): string => (namespace === SYSTEM_NAMESPACE ? name : `${namespace}/${name}`);

/** Parses a key of {@link policyKey}. */
export const parsePolicyKey = (key: string): PolicyRef => {
  const slash = key.indexOf('/');
  return slash < 0 ? { namespace: SYSTEM_NAMESPACE, name: key } : { namespace: key.slice(0, slash), name: key.slice(slash + 1) };
};

/** Formats a key of {@link policyKey} as the end of a URL's path. */
export const policyPath = (key: string): string => key.split('/').map(encodeURIComponent).join('/');

/** Event in a cluster that people may want to look up later. */
export const ClusterEvent = z.object({
  time: Time,
  severity: z.enum(['info', 'warning', 'alert']),
  reason: z.string().max(128).describe('CamelCase, as in Kubernetes Events.'),
  message: z.string().max(MAX_MESSAGE),
  policy: PolicyKey.optional(),
  namespace: z.string().max(63).optional(),
  revision: Revision.optional(),
});
export type ClusterEvent = z.infer<typeof ClusterEvent>;
