/**
 * Every name that this system writes into a cluster.
 *
 * Kubernetes label values are limited to 63 characters and contain neither commas nor colons. So a
 * label has the label-safe form of a value, and the annotation of the same key the exact one.
 */

/** API group of all kinds of this system. */
export const API_GROUP = 'compliance.federated.io';
/** `apiVersion` of all kinds of this system. */
export const API_VERSION = 'compliance.federated.io/v1';

/** Prefix of every label and annotation key that this system owns. It writes no key without it. */
export const KEY_PREFIX = 'compliance.gov/';

/** Namespace of the agent, its state and the hub-managed policies in a workload cluster. */
export const SYSTEM_NAMESPACE = 'federated-sovereignty-system';
/**
 * Empty namespace without labels of this system, which admits no pod. Only the index of lock 1 can
 * refuse a pod there, so a refusal proves that the API server evaluates the index.
 */
export const CANARY_NAMESPACE = 'fso-canary';
/**
 * Placeholder for a policy's key in objects that only prove a lock. No policy can have this name.
 */
export const CANARY_POLICY = '(canary)';
/** Lease of the agents' leader, in {@link SYSTEM_NAMESPACE}. */
export const AGENT_LEASE = 'fso-agent';
/** ConfigMap with the state that the agent last accepted, in {@link SYSTEM_NAMESPACE}. */
export const AGENT_STATE = 'fso-agent-state';
/** ConfigMap with the start of each reported violation, in {@link SYSTEM_NAMESPACE}. */
export const AGENT_VIOLATIONS = 'fso-agent-violations';
/** ConfigMap with the shapes of past pods, in {@link SYSTEM_NAMESPACE}. */
export const AGENT_SHAPES = 'fso-agent-shapes';
/** ConfigMap with the accepted catalogue of regions, in {@link SYSTEM_NAMESPACE}. */
export const AGENT_REGIONS = 'fso-agent-regions';
/** ConfigMap with the events that the hub has not acknowledged, in {@link SYSTEM_NAMESPACE}. */
export const AGENT_EVENTS = 'fso-agent-events';

/** Secret with the agent's key and certificate for the hub, in {@link SYSTEM_NAMESPACE}. */
export const AGENT_IDENTITY = 'fso-agent-identity';

/**
 * Secret with the one-time enrolment token, in {@link SYSTEM_NAMESPACE}. An administrator creates
 * it, and may delete it.
 */
export const ENROLMENT_SECRET = 'fso-enrolment';
/**
 * ConfigMap with the public keys and certificates that the agent trusts, in
 * {@link SYSTEM_NAMESPACE}. The person who installs the agent writes it.
 */
export const AGENT_TRUST = 'fso-agent-trust';

/** Name of the report in each governed namespace, for tools that read openreports.io. */
export const OPEN_REPORT = 'fso-residency';
/**
 * ClusterRole with the rights for these reports. It owns them, so that they are deleted with it.
 */
export const OPEN_REPORTS_ROLE = 'fso-agent-openreports';

/**
 * Well-known node label with the region
 * (https://kubernetes.io/docs/reference/labels-annotations-taints/).
 */
export const REGION_LABEL = 'topology.kubernetes.io/region';
/**
 * Label of a node's region before Kubernetes 1.17. Cloud node controllers still trust it, but it
 * never proves a region.
 */
export const LEGACY_REGION_LABEL = 'failure-domain.beta.kubernetes.io/region';
/** Label of a node's zone within its region. */
export const ZONE_LABEL = 'topology.kubernetes.io/zone';
/** Label of a node's zone before Kubernetes 1.17, which some nodes still carry. */
export const LEGACY_ZONE_LABEL = 'failure-domain.beta.kubernetes.io/zone';

/** Labels that the system writes. */
export const LABELS = {
  allowedRegions: `${KEY_PREFIX}allowed-regions`,
  policyName: `${KEY_PREFIX}policy-name`,
  policyNamespace: `${KEY_PREFIX}policy-namespace`,
  /**
   * Strongest action in force: deny | warn | dryrun | custom, or `released` / `expired` once
   * nothing governs the namespace.
   */
  enforcementAction: `${KEY_PREFIX}enforcement-action`,
  updatedAt: `${KEY_PREFIX}updated-at`,
  /** `hub` on SovereignPolicies that came from Git; absent on local ones. */
  managedBy: `${KEY_PREFIX}managed-by`,
  /**
   * Label of every object that the agent owns: floor policies, bindings, template, constraints,
   * reports.
   */
  component: `${KEY_PREFIX}component`,
} as const;

/**
 * Actions that the floor evaluates itself. Each has its own selector label and region annotation on
 * a namespace.
 */
export const FLOOR_ACTIONS = ['deny', 'warn', 'dryrun'] as const;
/** Enforcement action for which lock 1 has admission policies of its own. */
export type FloorAction = (typeof FLOOR_ACTIONS)[number];

/**
 * Label that selects a namespace into the floor binding of one action. Its only value is `active`.
 */
export const floorLabel = (action: FloorAction): string => `${KEY_PREFIX}floor-${action}`;
/** Value of every {@link floorLabel}. */
export const FLOOR_LABEL_VALUE = 'active';
/**
 * Annotation with the regions that the floor allows for one action: sorted, comma separated; `''`:
 * none.
 */
export const floorRegionsAnnotation = (action: FloorAction): string => `${KEY_PREFIX}floor-${action}-regions`;
/**
 * Annotation with the policies (keys, sorted, comma separated) from which
 * {@link floorRegionsAnnotation} is derived.
 */
export const floorPoliciesAnnotation = (action: FloorAction): string => `${KEY_PREFIX}floor-${action}-policies`;
/**
 * Annotation with the Git commit of each policy in {@link floorPoliciesAnnotation}, in the same
 * order; `-` for a local policy.
 */
export const floorRevisionsAnnotation = (action: FloorAction): string => `${KEY_PREFIX}floor-${action}-revisions`;

/** Label that selects a namespace into placement injection. Its only value is `active`. */
export const INJECTION_LABEL: string = `${KEY_PREFIX}placement-injection`;
/** Value of {@link INJECTION_LABEL}. */
export const INJECTION_LABEL_VALUE = 'active';

/** Annotations that the system writes. */
export const ANNOTATIONS = {
  /** Git commit that last changed a hub-managed SovereignPolicy in this cluster. */
  revision: `${KEY_PREFIX}revision`,
  /** Path of the document in Git. */
  sourcePath: `${KEY_PREFIX}source-path`,
  /** Keys of the objects of a complete installation; on {@link SYSTEM_NAMESPACE}. */
  installed: `${KEY_PREFIX}installed`,
  /** Hash of those objects in the version that wrote the record; on {@link SYSTEM_NAMESPACE}. */
  installedText: `${KEY_PREFIX}installed-text`,
  /**
   * User who removes enforcement from this cluster; on {@link SYSTEM_NAMESPACE}. While it is
   * present, agents enforce nothing.
   */
  uninstallRequestedBy: `${KEY_PREFIX}uninstall-requested-by`,
  /**
   * Whether the hub received the report of the removal, see {@link UNINSTALL_REPORTS}; on
   * {@link SYSTEM_NAMESPACE}.
   */
  uninstallReport: `${KEY_PREFIX}uninstall-report`,
  /**
   * Time at which FloorParameters were last rewritten because the API server evaluated nothing by
   * them.
   */
  renewedAt: `${KEY_PREFIX}renewed-at`,
  /** Mark of the agent's dry runs that only a guard refuses; on no object. */
  guardProbe: `${KEY_PREFIX}guard-probe`,
} as const;

/**
 * Annotation of this system's CRDs with the number of their schema, which grows with every change
 * of a schema.
 */
export const SCHEMA_VERSION_ANNOTATION: string = `${KEY_PREFIX}schema-version`;

/**
 * Results of a request to remove enforcement. `Reported`: the hub was notified. `NotReported`: it
 * could not be reached. `NoHub`: the agent has none. `NoAgent`: no agent was running.
 */
export const UNINSTALL_REPORTS = ['Reported', 'NotReported', 'NoHub', 'NoAgent'] as const;
/** Answer of the leading agent to a request to remove enforcement, as an annotation. */
export type UninstallReport = (typeof UNINSTALL_REPORTS)[number];

/**
 * Every label and annotation key that this system reads on a namespace, including those with other
 * prefixes.
 */
export const NAMESPACE_KEYS: readonly string[] = [
  ...Object.values(LABELS),
  ...FLOOR_ACTIONS.flatMap((action) => [
    floorLabel(action),
    floorRegionsAnnotation(action),
    floorPoliciesAnnotation(action),
    floorRevisionsAnnotation(action),
  ]),
  INJECTION_LABEL,
  ANNOTATIONS.installed,
  ANNOTATIONS.installedText,
  ANNOTATIONS.uninstallRequestedBy,
  ANNOTATIONS.uninstallReport,
  ANNOTATIONS.guardProbe,
];

/** Server-side-apply field managers, one per concern. */
export const FIELD_MANAGERS = {
  install: 'fso-agent-install',
  intake: 'fso-agent-intake',
  namespaces: 'fso-agent-namespaces',
  floor: 'fso-agent-floor',
  gatekeeper: 'fso-agent-gatekeeper',
  status: 'fso-agent-status',
  record: 'fso-agent-record',
  trust: 'fso-agent-trust',
  witness: 'fso-agent-witness',
  identity: 'fso-agent-identity',
  openReports: 'fso-agent-openreports',
  /** Manager of dry runs only, so no object has it. */
  probe: 'fso-agent-probe',
} as const;

/** Types of the conditions that the agent writes. */
export const CONDITIONS = {
  /** The policy is in force, and every lock that the cluster has is proven. */
  ready: 'Ready',
  /** Present only while the policy is being written or proven, for tools that use kstatus. */
  reconciling: 'Reconciling',
  /**
   * Present only while the policy is not in force and waiting does not help, for tools that use
   * kstatus.
   */
  stalled: 'Stalled',
  /** Lock 1: the floor of ValidatingAdmissionPolicies. */
  floorReady: 'FloorReady',
  /** Condition of a cluster: the guard, which lets only the agent change what the locks rely on. */
  guardReady: 'GuardReady',
  /**
   * Lock 2: Gatekeeper's constraint, enforced in its current generation by every Gatekeeper pod.
   */
  gatekeeperReady: 'GatekeeperReady',
  /** Condition of a cluster: everything that its reports are based on is current. */
  observed: 'Observed',
  /** Condition of a cluster: the next pods of all owners in governed namespaces are judged. */
  risksKnown: 'RisksKnown',
  /** Condition of a cluster: pods that lock 1 refuses are counted, and their owners named. */
  denialsKnown: 'DenialsKnown',
  /**
   * Condition of a cluster: nodes whose providerID, zone and region contradict each other, and
   * which therefore are in no region. Absent if there is no catalogue to compare with.
   */
  nodesDisputed: 'NodesDisputed',
  /** Providers of the cluster's nodes mean different places by a region of the policy. */
  regionAmbiguous: 'RegionAmbiguous',
  /** Regions of the policy have expired, or expire within 14 days. */
  regionsEnding: 'RegionsEnding',
  /** Several policies leave no region for a namespace. */
  conflict: 'Conflict',
  /** The policy will expire within 14 days. */
  expiring: 'Expiring',
  /**
   * Gatekeeper's audit and the agent count the same number of violating pods. Set once there are
   * audits to compare.
   */
  auditAgrees: 'AuditAgrees',
  /**
   * A change or deletion of an object that enforces the policy was reverted within the last hour.
   */
  tampered: 'Tampered',
  /** Condition of policies that ask for it: whether pods without a region get the allowed ones. */
  placementInjection: 'PlacementInjection',
} as const;

/** Reason of {@link CONDITIONS.ready} while no namespace that the policy governs exists. */
export const NAMESPACE_MISSING = 'NamespaceMissing';

/** Finalizer of a SovereignPolicy. It is removed once nothing enforces the policy. */
export const FINALIZER = `${KEY_PREFIX}release`;
