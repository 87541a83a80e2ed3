import {
  type ClusterPolicySpec,
  FLOOR_PARAMETER_LIMITS,
  type FloorAction,
  type KubeObject,
  type ManagedBy,
  type RegionConflict,
} from '@fso/shared/api';
import type { KindDescriptor, ObjectRef } from '@fso/shared/kube';
import type { CatalogIndex } from '@fso/shared/regions';

/** A SovereignPolicy of this cluster, reduced to what enforcement needs. */
export interface PolicyInput {
  /** See policyKey. */
  readonly key: string;
  readonly namespace: string;
  readonly name: string;
  readonly managedBy: ManagedBy;
  readonly revision: string | undefined;
  readonly generation: number;
  /** RFC 3339. */
  readonly created?: string | undefined;
  readonly spec: ClusterPolicySpec;
  readonly deleting: boolean;
  /** Reason why the policy's spec cannot be read; `spec` is then the last enforced one. */
  readonly problem?: string | undefined;
  /** Last enforced specs of a policy that cannot be read, which stay in force. */
  readonly lastEnforced?: readonly ClusterPolicySpec[] | undefined;
}

/** A namespace, reduced to what enforcement needs. */
export interface NamespaceInput {
  readonly name: string;
  readonly terminating: boolean;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  /**
   * Labels of this system that an apply cannot remove, because another field manager owns them too.
   */
  readonly held?: readonly string[] | undefined;
}

/**
 * Governance of one namespace under one action: the intersection of the regions of its policies.
 */
export interface ActionGovernance {
  /** Sorted. Empty: a conflict, so nothing may run. */
  readonly regions: readonly string[];
  /** Keys, sorted. */
  readonly policies: readonly string[];
  /** Git commit of each of the policies, `-` for a local one. */
  readonly revisions: readonly string[];
}

/** Combined rules of all policies for one namespace, by action. */
export interface NamespaceGovernance {
  readonly namespace: string;
  /**
   * Governance by action, with only the actions that govern. A `custom` policy takes part with the
   * actions that it scopes to the floor, see governance.ts.
   */
  readonly actions: Readonly<Partial<Record<FloorAction, ActionGovernance>>>;
  /** Keys of all policies that match the namespace, sorted. */
  readonly policies: readonly string[];
  /**
   * Whether placements are injected into pods without a region: a policy asks for it, and the
   * strongest action of deny and warn allows a region.
   */
  readonly injection: boolean;
}

/**
 * Outcome of one policy, without the state of the locks. `leftOut`: conflicts that remove regions,
 * because nodes here may mean different places by their names. `ends`: conflicts whose regions
 * expire, or have expired.
 */
export type PolicyOutcome =
  | {
      readonly kind: 'governing';
      readonly regions: readonly string[];
      readonly leftOut?: readonly RegionConflict[];
      readonly ends?: readonly RegionConflict[] | undefined;
      readonly namespaces: readonly string[];
      readonly conflicts: readonly string[];
    }
  /** The policy matches no namespace now. Lock 2 already covers future ones. */
  | {
      readonly kind: 'namespaceMissing';
      readonly regions: readonly string[];
      readonly leftOut?: readonly RegionConflict[];
      readonly ends?: readonly RegionConflict[] | undefined;
      readonly message: string;
      /**
       * Whether the policy names a namespace that does not exist. False for a glob without a match,
       * and for a policy that excludes its own target.
       */
      readonly isAbsent: boolean;
    }
  /**
   * The spec cannot be enforced here, e.g. because a local policy names a region group. `surplus`:
   * the policy exceeds the limit of its namespace.
   */
  | { readonly kind: 'invalid'; readonly message: string; readonly surplus?: boolean }
  | { readonly kind: 'expired'; readonly regions: readonly string[]; readonly expiredAt: string };

/** State of a constraint before policies were moved. */
export interface FormerConstraint {
  /** Identities of the groups that the constraint served. */
  readonly groups: readonly string[];
  /**
   * Uid and metadata.generation in the cluster when the move was planned; 0 if it did not exist.
   */
  readonly uid: string | undefined;
  readonly generation: number;
  /** Time at which the move was planned. */
  readonly since: Date;
}

/** Constraint to be written, and the state that the cluster may still have in its place. */
export interface DesiredConstraint {
  readonly name: string;
  /** Identity of its group. */
  readonly group: string;
  /** State that the cluster may still show; undefined once it has shown the desired one. */
  readonly former: FormerConstraint | undefined;
  /** Keys of the policies that the constraint enforces, sorted. */
  readonly policies: readonly string[];
  /** Whole K8sGeoResidency body for server-side apply. */
  readonly body: KubeObject;
  /** Rules that the constraint was planned from. */
  readonly from: readonly unknown[];
}

/** Glob of policies, with its exclusions. */
export interface GlobReach {
  readonly pattern: string;
  /** Excluded names and globs. */
  readonly excluded: readonly string[];
  /** Keys, sorted. */
  readonly policies: readonly string[];
}

/** Pure result of all policies over all namespaces at one time. */
export interface Governance {
  readonly namespaces: ReadonlyMap<string, NamespaceGovernance>;
  readonly policies: ReadonlyMap<string, PolicyOutcome>;
  readonly constraints: readonly DesiredConstraint[];
  /** Governance of namespaces that policies name but that do not exist yet, by name. */
  readonly awaited: ReadonlyMap<string, NamespaceGovernance>;
  /** Globs of deny policies. */
  readonly globs: readonly GlobReach[];
  /** Time of the next change that needs no write (an expiry or its warning), if any. */
  readonly nextChangeAt: Date | undefined;
  readonly from: GovernanceInputs;
}

/** Objects that a governance was planned from. Identical inputs give identical parts. */
export interface GovernanceInputs {
  readonly all: readonly unknown[];
  /** Rules of each governed or awaited namespace, by name. */
  readonly namespaces: ReadonlyMap<string, readonly unknown[]>;
}

/**
 * Write that a plan wants. `key` names the target for retries and logs: `Namespace/finance`,
 * `K8sGeoResidency/geo-deny-1a2b…`.
 */
export type Action =
  | {
      readonly type: 'apply';
      readonly key: string;
      readonly kind: KindDescriptor;
      readonly body: KubeObject;
      readonly fieldManager: string;
      /**
       * Reason in CamelCase, for logs and events: `Govern`, `Release`, `Drift`, `Install`, `Join`,
       * `Leave`, `Move`.
       */
      readonly reason: string;
      /** Policies whose enforcement depends on this write. */
      readonly policies: readonly string[];
    }
  | {
      /**
       * Removes fields that other writers added. The apply of the same key that follows cannot do
       * that.
       */
      readonly type: 'patch';
      readonly key: string;
      readonly kind: KindDescriptor;
      readonly ref: ObjectRef;
      /** JSON merge patch. */
      readonly patch: Readonly<Record<string, unknown>>;
      readonly reason: string;
      readonly policies: readonly string[];
    }
  | {
      readonly type: 'delete';
      readonly key: string;
      readonly kind: KindDescriptor;
      readonly ref: ObjectRef;
      readonly reason: string;
      readonly policies: readonly string[];
    };

/** Write that keeps failing. */
export interface WriteFailure {
  /** Key of its target, e.g. `Namespace/finance`. */
  readonly key: string;
  readonly policies: readonly string[];
  readonly error: string;
  /** Whether the API server accepted the write but dropped a part of it. */
  readonly notKept?: true;
  /** Consecutive failures. */
  readonly failures: number;
}

/** Number of consecutive failures that raise an alert. */
export const ALERT_AFTER = 3;

/** Whether a write has failed often enough to be an alert. */
export const isAlert = (failure: WriteFailure): boolean => failure.failures >= ALERT_AFTER;

/**
 * Nodes and zones whose region label does not decide: nodes that contradict themselves, and zones
 * in another country than their region.
 */
export interface NodeExceptions {
  /**
   * Names of nodes that are in no region, whatever their labels say: they contradict themselves, or
   * only their providerID places them in another country. Empty if there are more than
   * {@link MAX_EXCEPTIONS}.
   */
  readonly disputedNodes: readonly string[];
  /**
   * Labels of the regions in which no node counts, because too many nodes are disputed to be
   * listed; {@link EVERY_REGION} stands for all.
   */
  readonly disputedRegions: readonly string[];
  /** Zones that count as regions of their own. */
  readonly zones: readonly string[];
}

/** Most nodes, and most regions, that {@link NodeExceptions} lists. */
export const MAX_EXCEPTIONS: number = FLOOR_PARAMETER_LIMITS.exceptions;
/** Most zones that the locks list. Nodes in other zones have entries in the list of nodes. */
export const MAX_ZONES: number = FLOOR_PARAMETER_LIMITS.zones;
/** Placeholder for all regions. No region has this name. */
export const EVERY_REGION = '*';
/** Exceptions of a cluster in which every region label is right. */
export const NO_EXCEPTIONS: NodeExceptions = { disputedNodes: [], disputedRegions: [], zones: [] };

/** Providers of a cluster's nodes, and how they read region names. */
export interface PresentProviders {
  /** undefined: none exists, or it is unknown. */
  readonly catalog: CatalogIndex | undefined;
  readonly providers: ReadonlySet<string>;
  /** Region labels of nodes whose provider is unknown. */
  readonly unnamed: ReadonlySet<string>;
  /** Region names that mean different countries, with the providers that use them. */
  readonly ambiguous: ReadonlyMap<string, readonly string[]>;
}

/**
 * PresentProviders of a cluster without nodes and without a region catalogue: all fields are empty.
 */
export const NO_PROVIDERS: PresentProviders = { catalog: undefined, providers: new Set(), unnamed: new Set(), ambiguous: new Map() };

/** Set that contains every string. */
class AnySet extends Set<string> {
  override has(): boolean {
    return true;
  }
}

/** Providers of a cluster whose nodes are unknown: any provider may be present. */
export const ANY_PROVIDER: PresentProviders = { ...NO_PROVIDERS, providers: new AnySet() };

/** User names that the locks and guards exempt. */
export interface Trust {
  /** User name of this agent, the only user that may change enforcement. */
  readonly agent: string;
  /** Users that may bind pods in governed namespaces: the schedulers. */
  readonly binders: readonly string[];
  /** Users that may set a node's place; `group:<name>` stands for a group. */
  readonly nodeLabelers: readonly string[];
  /** Namespace of Gatekeeper, whose service accounts report the state of lock 2. */
  readonly gatekeeperNamespace: string;
}
