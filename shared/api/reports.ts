import { z } from 'zod';
import { NamespaceName, Region, ResourceName } from './common.ts';
import { ClusterDenials } from './findings/denials.ts';
import { CONDITIONS, NAMESPACE_MISSING, SYSTEM_NAMESPACE } from './names.ts';
import { Condition, EnforcementAction, LockStatus, MAX_NAMED_RISKS, Phase, PolicyRisks, Risk } from './sovereign-policy.ts';

/** Origin of a policy: the hub, which has it from Git, or the cluster itself. */
export const ManagedBy = z.enum(['hub', 'local']);
export type ManagedBy = z.infer<typeof ManagedBy>;

const Time = z.iso.datetime({ offset: true });
const Revision = z.string().min(1).max(64);

/** The ledger's columns of counts are 32 bits wide. */
const MAX_COUNT = 2_147_483_647;

/** Violations that a report names: of a cluster, and of a policy that is reported whole. */
export const MAX_SAMPLES = 20;
/** Labels that a report names of one namespace. */
export const MAX_LABELS = 64;
/** Regions of which a report counts the nodes. */
export const MAX_NODE_REGIONS = 1_000;

/** A record with at most so many keys. */
const boundedRecord = <V extends z.ZodType>(key: z.ZodString, value: V, max: number) =>
  z
    .record(key, value)
    .refine((record) => Object.keys(record).length <= max, { error: `Too big: expected at most ${max} keys` })
    .meta({ maxProperties: max });

/** A pod, or the owner of one, outside of the allowed regions. */
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

/** A lock of a policy; `since` and `message` come from the agent. */
export const ReportedLock = LockStatus.partial({ since: true });
export type ReportedLock = z.infer<typeof ReportedLock>;

/** The locks of a policy, as an agent reports them. */
export const ReportedEnforcement = z.object({ admission: ReportedLock, gatekeeper: ReportedLock, binding: ReportedLock });

/** A condition of a policy; its time comes from the agent. */
export const ReportedCondition = Condition.partial({ lastTransitionTime: true });
export type ReportedCondition = z.infer<typeof ReportedCondition>;

/**
 * A report on one policy in its cluster. That of a hub policy is short: what its list, a state and
 * a code express, without times, texts of the agent and labels, so that it is the same in all
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

/** Whether a report says no more than what a hub knows without asking its agent. */
export const isShortReport = ({ lastUpdated }: Pick<PolicyReport, 'lastUpdated'>): boolean => lastUpdated === undefined;

/**
 * Whether a short report says that its policy is as expected: proven, expired, or without its
 * namespace.
 */
export const isAsExpected = (report: Pick<PolicyReport, 'conditions' | 'lastUpdated'>): boolean =>
  isShortReport(report) && report.conditions.length === 0;

/**
 * Whether the hub does not know what a policy asks for in its cluster: then neither its target nor
 * its action and regions say anything.
 */
export const isUnlisted = ({ targetNamespace }: Pick<PolicyReport, 'targetNamespace'>): boolean => targetNamespace === '';

/** Whether a policy governs no namespace now, and so has nothing to enforce. */
export const isNamespaceMissing = (report: Pick<PolicyReport, 'phase' | 'conditions' | 'lastUpdated'>): boolean =>
  isAsExpected(report)
    ? report.phase === 'Pending'
    : report.conditions.some(({ type, reason }) => type === CONDITIONS.ready && reason === NAMESPACE_MISSING);

/**
 * Whether a policy that was applied in its cluster waits there for its namespace: it may be Failed
 * there, and nothing is wrong.
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

/** A {@link policyKey}: namespace and name at their longest, and the slash. */
export const PolicyKey = z.string().max(317).describe("Name of a policy; outside of the agent's namespace, namespace/name.");

/** Approvers that a report names. */
export const MAX_APPROVERS = 50;

/** A commit that an agent has verified and does not take yet, as it lacks an approval. */
export const HeldRevision = z.object({
  revision: Revision,
  tag: z.string().max(160).describe('Name of the signed tag that approves it.'),
  missing: z.int().min(0).max(2).describe('Number of approvals that are missing; 0: a signer has revoked it.'),
  approvers: z.array(z.string().max(320)).max(MAX_APPROVERS).describe('Principals whose approval counts.'),
  problems: z.array(z.string().max(512)).max(8).describe('Why tags that the agent got do not count.'),
});
export type HeldRevision = z.infer<typeof HeldRevision>;

/** The part of a cluster's report about the commits of the hub, which each commit changes. */
export const RevisionFacts = z.object({
  /** Commit that the agent accepted and whose policies it wrote to its cluster. */
  revision: Revision.nullable(),
  /**
   * Commit of which both locks (or each lock that the cluster can have) have proven every policy;
   * it trails `revision`.
   */
  provenRevision: Revision.nullable(),
  /** The signature check of `revision`. */
  verification: RevisionVerification.shape.state,
  signer: RevisionVerification.shape.signer,
  verificationReason: RevisionVerification.shape.reason,
  held: HeldRevision.optional().describe('A newer commit that waits for an approval; absent: none does.'),
  verifiedRevision: Revision.optional().describe(
    'Newest commit that the agent has verified, whose policies wait: its signers count already; absent: `revision`.',
  ),
});
export type RevisionFacts = z.infer<typeof RevisionFacts>;

/** Facts of a cluster that its agent reports, beside its policies. */
export const ClusterReport = RevisionFacts.extend({
  agentVersion: z.string().max(64),
  kubernetesVersion: z.string().max(64),
  gatekeeper: z.object({
    state: z.enum(['Ready', 'NotReady', 'Absent']),
    version: z.string().max(64).optional(),
    message: z.string().max(2048).optional(),
  }),
  /** Number of nodes by region; nodes without a region count under `''`. */
  nodesByRegion: boundedRecord(z.string().max(63), z.int().min(0).max(MAX_COUNT), MAX_NODE_REGIONS),
  conditions: z.array(Condition.extend({ message: z.string().max(4_096) })).max(32),
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
 * Name of a policy everywhere but in Kubernetes itself: `finance` in the agent's namespace, where
 * all policies of the hub are, `team-a/finance` elsewhere. No name has a slash, so a key names one
 * policy.
 */
export const policyKey = ({ namespace, name }: PolicyRef): string => (namespace === SYSTEM_NAMESPACE ? name : `${namespace}/${name}`);

/** The reverse of {@link policyKey}. */
export const parsePolicyKey = (key: string): PolicyRef => {
  const slash = key.indexOf('/');
  return slash < 0 ? { namespace: SYSTEM_NAMESPACE, name: key } : { namespace: key.slice(0, slash), name: key.slice(slash + 1) };
};

/** A {@link policyKey} as the end of a URL's path. */
export const policyPath = (key: string): string => key.split('/').map(encodeURIComponent).join('/');

/** An event in a cluster that people may want to look up later. */
export const ClusterEvent = z.object({
  time: Time,
  severity: z.enum(['info', 'warning', 'alert']),
  reason: z.string().max(128).describe('CamelCase, as in Kubernetes Events.'),
  message: z.string().max(4096),
  policy: PolicyKey.optional(),
  namespace: z.string().max(63).optional(),
  revision: Revision.optional(),
});
export type ClusterEvent = z.infer<typeof ClusterEvent>;
