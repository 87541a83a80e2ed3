/**
 * Every name that this system writes into a cluster.
 *
 * Kubernetes label values end at 63 characters and hold neither commas nor colons, so a label
 * carries the label-safe form of a value and the annotation of the same key carries the exact one.
 */

/** API group of all kinds of this system. */
export const API_GROUP = 'compliance.federated.io';
export const API_VERSION = 'compliance.federated.io/v1';

/**
 * Prefix of every label and annotation key that this system owns. It never writes a key without it.
 */
export const KEY_PREFIX = 'compliance.gov/';

/** Namespace of the agent, its state and the hub-managed policies in a workload cluster. */
export const SYSTEM_NAMESPACE = 'federated-sovereignty-system';
/**
 * An empty namespace without labels of this system that admits no pod. Only the index of lock 1 can
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
/** ConfigMap with the shapes of pods that came and went, in {@link SYSTEM_NAMESPACE}. */
export const AGENT_SHAPES = 'fso-agent-shapes';
/** ConfigMap with the accepted catalogue of regions, in {@link SYSTEM_NAMESPACE}. */
export const AGENT_REGIONS = 'fso-agent-regions';
/** ConfigMap with the events that the hub has not acknowledged, in {@link SYSTEM_NAMESPACE}. */
export const AGENT_EVENTS = 'fso-agent-events';

/** Secret with the agent's key and certificate for the hub, in {@link SYSTEM_NAMESPACE}. */
export const AGENT_IDENTITY = 'fso-agent-identity';

/**
 * Secret with the one-time token to enrol with, in {@link SYSTEM_NAMESPACE}. An administrator makes
 * it, and may delete it.
 */
export const ENROLMENT_SECRET = 'fso-enrolment';
/**
 * ConfigMap with the public keys and certificates that the agent trusts, in
 * {@link SYSTEM_NAMESPACE}. The person who installs the agent writes it.
 */
export const AGENT_TRUST = 'fso-agent-trust';

/**
 * Name of the report on each governed namespace for tools that read openreports.io, in that
 * namespace.
 */
export const OPEN_REPORT = 'fso-residency';
/** ClusterRole with the rights for those reports; it owns them, so that they go with it. */
export const OPEN_REPORTS_ROLE = 'fso-agent-openreports';

/**
 * Well-known node labels that carry a region
 * (https://kubernetes.io/docs/reference/labels-annotations-taints/).
 */
export const REGION_LABEL = 'topology.kubernetes.io/region';
/**
 * Deprecated since Kubernetes 1.17, but cloud node controllers still trust it; never a proof of a
 * region.
 */
export const LEGACY_REGION_LABEL = 'failure-domain.beta.kubernetes.io/region';
/** Zone of a node within its region, and the deprecated form, which is treated as the region's. */
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
 * Actions that the floor evaluates itself; each has its own selector label and region annotation on
 * a namespace.
 */
export const FLOOR_ACTIONS = ['deny', 'warn', 'dryrun'] as const;
/** Enforcement action for which lock 1 has admission policies of its own. */
export type FloorAction = (typeof FLOOR_ACTIONS)[number];

/**
 * Label that selects a namespace into the floor binding of one action; its only value is `active`.
 */
export const floorLabel = (action: FloorAction): string => `${KEY_PREFIX}floor-${action}`;
/** Value of every {@link floorLabel}. */
export const FLOOR_LABEL_VALUE = 'active';
/**
 * Annotation with the regions that the floor allows for one action: sorted, comma separated, `''` =
 * none.
 */
export const floorRegionsAnnotation = (action: FloorAction): string => `${KEY_PREFIX}floor-${action}-regions`;
/**
 * Annotation with the policies (keys, sorted, comma separated) behind
 * {@link floorRegionsAnnotation}.
 */
export const floorPoliciesAnnotation = (action: FloorAction): string => `${KEY_PREFIX}floor-${action}-policies`;
/**
 * Annotation with the Git commit of each of {@link floorPoliciesAnnotation}, in their order; `-`
 * for a local policy.
 */
export const floorRevisionsAnnotation = (action: FloorAction): string => `${KEY_PREFIX}floor-${action}-revisions`;

/** Label that selects a namespace into placement injection; its only value is `active`. */
export const INJECTION_LABEL: string = `${KEY_PREFIX}placement-injection`;
/** Value of the label that has placements injected into pods of a namespace. */
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
   * User who removes enforcement from this cluster; on {@link SYSTEM_NAMESPACE}. Agents enforce
   * nothing while it is there.
   */
  uninstallRequestedBy: `${KEY_PREFIX}uninstall-requested-by`,
  /**
   * Whether the hub got the report of the removal, see {@link UNINSTALL_REPORTS}; on
   * {@link SYSTEM_NAMESPACE}.
   */
  uninstallReport: `${KEY_PREFIX}uninstall-report`,
  /**
   * Time at which FloorParameters were last written again because the API server judged nothing by
   * them.
   */
  renewedAt: `${KEY_PREFIX}renewed-at`,
  /** Mark of the agent's dry runs that only the guard refuses; on no object. */
  guardProbe: `${KEY_PREFIX}guard-probe`,
} as const;

/** Annotation of this system's CRDs: number of their schema; it grows with every change of one. */
export const SCHEMA_VERSION_ANNOTATION: string = `${KEY_PREFIX}schema-version`;

/**
 * Answers to a request to remove enforcement: whether the hub was notified. `Reported`: the hub has
 * it. `NotReported`: it could not be reached. `NoHub`: the agent has none. `NoAgent`: no agent ran.
 */
export const UNINSTALL_REPORTS = ['Reported', 'NotReported', 'NoHub', 'NoAgent'] as const;
/** Answer of the leading agent to a request to remove enforcement, as an annotation. */
export type UninstallReport = (typeof UNINSTALL_REPORTS)[number];

/**
 * Every label and annotation key that this system reads on a namespace, whatever prefix others
 * have.
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
  /** Manager of dry runs only, so it is on no object. */
  probe: 'fso-agent-probe',
} as const;

/** Types of the conditions that the agent writes. */
export const CONDITIONS = {
  /** The policy is in force, and every lock that the cluster has is proven. */
  ready: 'Ready',
  /**
   * Condition that is there only while the policy is being written or proven, for tools that know
   * kstatus.
   */
  reconciling: 'Reconciling',
  /**
   * Condition that is there only while the policy is not in force and will not be by waiting, for
   * tools that know kstatus.
   */
  stalled: 'Stalled',
  /** Lock 1: the floor of ValidatingAdmissionPolicies. */
  floorReady: 'FloorReady',
  /** Condition of a cluster: the guard, which lets only the agent change what the locks rely on. */
  guardReady: 'GuardReady',
  /**
   * Lock 2: Gatekeeper's constraint, enforced in its current generation by every pod of Gatekeeper.
   */
  gatekeeperReady: 'GatekeeperReady',
  /** Condition of a cluster: all that its reports rest on is current. */
  observed: 'Observed',
  /** Condition of a cluster: the next pods of all owners in governed namespaces are judged. */
  risksKnown: 'RisksKnown',
  /** Condition of a cluster: pods that lock 1 refuses are counted, and their owners named. */
  denialsKnown: 'DenialsKnown',
  /**
   * Condition of a cluster: nodes whose providerID, zone and region contradict each other, which
   * are in no region. Absent: there is nothing to compare them with.
   */
  nodesDisputed: 'NodesDisputed',
  /** Providers of the cluster's nodes mean different places by a region of the policy. */
  regionAmbiguous: 'RegionAmbiguous',
  /** Regions of the policy that have ended, or end within 14 days. */
  regionsEnding: 'RegionsEnding',
  /** Several policies leave no region for a namespace. */
  conflict: 'Conflict',
  /** The policy will expire within 14 days. */
  expiring: 'Expiring',
  /**
   * Gatekeeper's audit counts as many violating pods as the agent; set once there are audits to
   * compare.
   */
  auditAgrees: 'AuditAgrees',
  /**
   * Condition that a change or deletion of what enforces the policy was reverted within the last
   * hour.
   */
  tampered: 'Tampered',
  /** Condition of policies that ask for it: whether pods without a region get the allowed ones. */
  placementInjection: 'PlacementInjection',
} as const;

/** Reason of {@link CONDITIONS.ready} while no namespace is there that the policy governs. */
export const NAMESPACE_MISSING = 'NamespaceMissing';

/** Finalizer of a SovereignPolicy, until nothing enforces it. */
export const FINALIZER = `${KEY_PREFIX}release`;
