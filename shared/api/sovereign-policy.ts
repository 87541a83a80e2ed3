import { z } from 'zod';
import {
  gitDocument,
  LabelSelector,
  MAX_MESSAGE,
  NamespaceGlob,
  NamespaceName,
  ProviderId,
  Region,
  RegionReference,
  ResourceName,
} from './common.ts';
import { PolicyDenials } from './findings/denials.ts';

/** Action on violating pods. */
export const EnforcementAction = z
  .enum(['deny', 'warn', 'dryrun', 'custom'])
  .describe(
    'What happens to a violating pod: deny refuses it, warn admits it with a warning, dryrun only records it, custom is passed on to Gatekeeper as scoped enforcement points.',
  );
export type EnforcementAction = z.infer<typeof EnforcementAction>;

/**
 * Points at which Gatekeeper can apply an action: its webhook, its audit, the API server itself
 * (here the floor), or all of them.
 *
 * @see https://open-policy-agent.github.io/gatekeeper/website/docs/enforcement-points/
 */
export const ENFORCEMENT_POINTS = ['validation.gatekeeper.sh', 'audit.gatekeeper.sh', 'vap.k8s.io', '*'] as const;

/** Clusters to which a policy applies: those that every given field selects. */
export const Placement = z
  .strictObject({
    clusterSelector: LabelSelector.optional().describe('Selects clusters by the labels of their ManagedCluster.'),
    clusterNames: z.array(ResourceName).max(1000).optional().describe('Selects clusters by name.'),
    clusterRegions: z.array(RegionReference).max(100).optional().describe('Selects clusters that have a region of this list.'),
  })
  .describe('Clusters that get the policy: those that every given field selects. Absent: every cluster.');
export type Placement = z.infer<typeof Placement>;

/** Spec of a SovereignPolicy in Git, from which the CRD is derived. */
export const SovereignPolicySpec = z
  .strictObject({
    targetNamespace: NamespaceGlob.describe('The namespace that the policy governs, or a glob as in Gatekeeper (finance-*, *).'),
    allowedRegions: z
      .array(RegionReference)
      .min(1)
      .max(100)
      .describe(
        'Regions in which pods may run: names as in the node label topology.kubernetes.io/region. In a policy repository also aws/eu-west-1, country:DE, partition:aws-eusc and group:eu.',
      ),
    enforcementAction: EnforcementAction.default('deny'),
    scopedEnforcementActions: z
      .array(
        z.strictObject({
          action: z.enum(['deny', 'warn', 'dryrun']),
          enforcementPoints: z
            .array(z.strictObject({ name: z.enum(ENFORCEMENT_POINTS) }))
            .min(1)
            .max(10),
        }),
      )
      .max(10)
      .optional()
      .describe('With enforcementAction custom: scoped enforcement points, passed on to Gatekeeper.'),
    placementInjection: z
      .boolean()
      .optional()
      .describe(
        'Adds the required node affinity for the allowed regions to new pods that do not mention a region. Never loosens what a pod requires.',
      ),
    description: z.string().max(1024).optional().describe('Why the policy exists.'),
    expiryDate: z.iso.datetime({ offset: true }).max(64).optional().describe('RFC 3339 time after which the policy no longer applies.'),
    excludedNamespaces: z
      .array(NamespaceGlob)
      .max(100)
      .optional()
      .describe('Namespaces (or globs) that the policy does not govern although targetNamespace matches them.'),
    placement: Placement.optional(),
  })
  .describe('Where the pods of a namespace may run.');
export type SovereignPolicySpec = z.infer<typeof SovereignPolicySpec>;
/** Spec as written, before defaults are added. */
export type SovereignPolicySpecInput = z.input<typeof SovereignPolicySpec>;

const Day = z.iso.date();

/** Allowed regions that count as outside, with the providers and the time for which they do. */
export const RegionConflict = z
  .strictObject({
    providers: z.array(ProviderId).max(2).describe('Providers that the cluster must have, all of them; empty: any cluster.'),
    regions: z.array(Region).min(1).max(100).describe('Allowed regions that are outside then.'),
    from: Day.optional().describe('First day (UTC) of it; absent: always.'),
    until: Day.optional().describe('First day (UTC) on which it has ended; absent: never.'),
  })
  .describe('Allowed regions that are outside where, or as long as, the catalogue reads them as another place.');
export type RegionConflict = z.infer<typeof RegionConflict>;

/** Spec of a policy in a cluster, with what its commit's catalogue states about its regions. */
export const ClusterPolicySpec = SovereignPolicySpec.extend({
  regionConflicts: z.array(RegionConflict).max(64).optional().describe('Derived from the catalogue of regions; only on policies from Git.'),
}).describe('Where the pods of a namespace may run.');
export type ClusterPolicySpec = z.infer<typeof ClusterPolicySpec>;

/** Phase of a SovereignPolicy. `Active` is proven by dry runs. */
export const Phase = z.enum(['Pending', 'Active', 'Failed', 'Expired']);
export type Phase = z.infer<typeof Phase>;

/** metav1.Condition. */
export const Condition = z.object({
  type: z.string().max(316),
  status: z.enum(['True', 'False', 'Unknown']),
  observedGeneration: z.int().optional(),
  lastTransitionTime: z.iso.datetime({ offset: true }),
  reason: z.string().max(1024),
  message: z.string().max(32_768),
});
export type Condition = z.infer<typeof Condition>;

/** States of a lock for one policy. */
export const LOCK_STATES = ['Pending', 'Enforced', 'Degraded', 'Unavailable', 'NotApplicable'] as const;
/** State of one lock for one policy. */
export const LockState = z
  .enum(LOCK_STATES)
  .describe(
    'Pending: written, not proven yet. Enforced: proven. Degraded: the write was refused or the proof failed. Unavailable: this cluster cannot have it. NotApplicable: nothing to enforce.',
  );
export type LockState = z.infer<typeof LockState>;

/** State of one lock, and the time since which it holds. */
export const LockStatus = z.object({
  state: LockState,
  since: z.iso.datetime({ offset: true }).describe('When the state was entered.'),
  message: z.string().max(MAX_MESSAGE).optional(),
});
export type LockStatus = z.infer<typeof LockStatus>;

/** States of all locks of a policy. */
export const Enforcement = z.object({
  admission: LockStatus.describe('Lock 1: pods and templates at admission, in the API server.'),
  gatekeeper: LockStatus.describe('Lock 2: the constraint in Gatekeeper.'),
  binding: LockStatus.describe('Lock 1: the bind gate.'),
});
export type Enforcement = z.infer<typeof Enforcement>;

/** Most owners that a report names: of a cluster, and of a policy. */
export const MAX_NAMED_RISKS = 20;
/** Count within the 32 bits of the ledger's columns. */
const Count = z.int().min(0).max(2_147_483_647);

/** Classes of the next pods of owners. They must not be added up. */
export const RISK_CLASSES = ['Refused', 'Pending'] as const;
/** Fate of an owner's next pods. */
export const RiskClass = z
  .enum(RISK_CLASSES)
  .describe(
    'Refused: the locks would refuse it. Pending: it would stay pending, as no node inside satisfies its node selector, node affinity and tolerations; capacity and volumes are not looked at.',
  );
export type RiskClass = z.infer<typeof RiskClass>;

/** Owner whose next pods are at risk. */
export const Risk = z.object({
  risk: RiskClass,
  kind: z
    .string()
    .max(63)
    .describe(
      'Deployment, StatefulSet, DaemonSet, Job, CronJob, ReplicationController or ReplicaSet; of pods that came and went or are of operators the kind of their controller, or Pod.',
    ),
  namespace: NamespaceName,
  name: z.string().max(253).describe('Of pods that came and went or are of operators: the pattern of the names of their controllers.'),
  reason: z.string().max(512).describe('The failing term of the template that makes the next pod.'),
  fix: z.string().max(512).describe('The line that mends it.'),
  confirmation: z
    .enum(['Unconfirmed', 'Confirmed'])
    .describe(
      'Confirmed: by a dry run of a pod from that template, with all webhooks. Unconfirmed: judged by the template alone; a webhook may still mend it.',
    ),
  nodes: z.int().min(1).optional().describe('Of a DaemonSet: nodes outside on which its pods would stay pending.'),
  lastSeen: z.iso.datetime().optional().describe('Hour in which its last pod was seen: none runs now, and the next one may come.'),
});
export type Risk = z.infer<typeof Risk>;

/** Numbers of owners at risk under a policy. */
export const RiskCounts = z.object({
  refused: Count.describe('Owners whose next pods the locks would refuse.'),
  pending: Count.describe('Owners whose next pods would stay pending; capacity and volumes are not looked at.'),
});
export type RiskCounts = z.infer<typeof RiskCounts>;

/** Owners at risk under a policy. */
export const PolicyRisks = RiskCounts.extend({
  unconfirmed: Count.describe('Those of them that no dry run has confirmed yet.'),
  untried: Count.optional().describe('Those that would be refused, and of which no dry run has been made yet. No alert rests on them.'),
  mended: Count.describe('Owners that are not at risk only because a webhook mends their pods.'),
  named: z
    .array(Risk)
    .max(MAX_NAMED_RISKS)
    .describe('The first ones, by namespace, kind and name; those that would be refused before the others.'),
});
export type PolicyRisks = z.infer<typeof PolicyRisks>;

/** Status of a SovereignPolicy, which the agent writes. */
export const SovereignPolicyStatus = z.object({
  phase: Phase.optional(),
  lastUpdated: z.iso.datetime({ offset: true }).optional(),
  message: z.string().max(32_768).optional(),
  constraintCreated: z.boolean().optional().describe('Whether the Gatekeeper constraint of the policy exists.'),
  observedGeneration: z.int().optional(),
  conditions: z.array(Condition).max(32).optional(),
  namespaces: z.array(NamespaceName).max(10_000).optional().describe('Namespaces that the policy governs now.'),
  regions: z.string().max(1024).optional().describe('The first of effectiveRegions, for tables, where a column shows a list as JSON.'),
  effectiveRegions: z.array(Region).max(1000).optional().describe('Allowed regions after expansion of groups.'),
  revision: z.string().max(64).optional().describe('Git commit that last changed the policy in this cluster; absent for a local policy.'),
  enforcement: Enforcement.optional(),
  violations: z.int().min(0).optional().describe('Pods that run outside of the allowed regions or may be scheduled outside.'),
  risks: PolicyRisks.optional().describe('Owners whose next pods would be refused or stay pending; absent: not known.'),
  denials: PolicyDenials.optional().describe('Owners whose pods were refused within the last hour; absent: none, or not known.'),
});
export type SovereignPolicyStatus = z.infer<typeof SovereignPolicyStatus>;

/** SovereignPolicy in Git. */
export const SovereignPolicyDocument = gitDocument('SovereignPolicy', SovereignPolicySpec);
export type SovereignPolicyDocument = z.infer<typeof SovereignPolicyDocument>;
