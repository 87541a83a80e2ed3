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
  /** Reason why its spec cannot be read; `spec` is then the one that was last enforced. */
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
 * The governance of one namespace under one action: the intersection of the regions of the policies
 * of that action.
 */
export interface ActionGovernance {
  /** Sorted. Empty = nothing may run (a conflict). */
  readonly regions: readonly string[];
  /** Keys, sorted. */
  readonly policies: readonly string[];
  /** Git commit of each of the policies, `-` for a local one. */
  readonly revisions: readonly string[];
}

/** The rules that all policies together make for one namespace, by action. */
export interface NamespaceGovernance {
  readonly namespace: string;
  /**
   * Governance by action, only of actions that govern. `custom` policies take part with the actions
   * that they scope to the floor, see governance.ts.
   */
  readonly actions: Readonly<Partial<Record<FloorAction, ActionGovernance>>>;
  /** Every policy that matches the namespace, by key, sorted. */
  readonly policies: readonly string[];
  /**
   * Whether pods without a region get the allowed ones: a policy asks for it, and the strongest
   * action, deny or warn, allows any.
   */
  readonly injection: boolean;
}

/**
 * The outcome of one policy, without the state of the locks. `leftOut`: conflicts by which regions
 * of the policy, that nodes here may mean as different places, are not among `regions`. `ends`:
 * conflicts by which regions end here, or have ended.
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
  /** The policy matches no namespace now; lock 2 already covers future ones. */
  | {
      readonly kind: 'namespaceMissing';
      readonly regions: readonly string[];
      readonly leftOut?: readonly RegionConflict[];
      readonly ends?: readonly RegionConflict[] | undefined;
      readonly message: string;
      /**
       * The policy names the namespace, which does not exist: neither a glob without a match, nor
       * one that excludes its own target.
       */
      readonly isAbsent: boolean;
    }
  /**
   * The spec cannot be enforced here, e.g. a region group in a local policy. `surplus`: the policy
   * is beyond the limit.
   */
  | { readonly kind: 'invalid'; readonly message: string; readonly surplus?: boolean }
  | { readonly kind: 'expired'; readonly regions: readonly string[]; readonly expiredAt: string };

/** State of a constraint before policies moved. */
export interface FormerConstraint {
  /** Identities of the groups that it was of. */
  readonly groups: readonly string[];
  /**
   * Uid and metadata.generation in the cluster when the move was planned; 0 if it was not there.
   */
  readonly uid: string | undefined;
  readonly generation: number;
  /** Time at which the move was planned. */
  readonly since: Date;
}

/** A constraint as it is to be written, and what the cluster may still have in its place. */
export interface DesiredConstraint {
  readonly name: string;
  /** Identity of its group. */
  readonly group: string;
  /**
   * State that the constraint may still have in the cluster; undefined once the cluster has shown
   * the desired one.
   */
  readonly former: FormerConstraint | undefined;
  /** Keys of the policies that it enforces, sorted. */
  readonly policies: readonly string[];
  /** The whole K8sGeoResidency body for server-side apply. */
  readonly body: KubeObject;
  /** Rules that it was planned from. */
  readonly from: readonly unknown[];
}

/** A glob of policies, with what it leaves out. */
export interface GlobReach {
  readonly pattern: string;
  /** Names and globs that it leaves alone. */
  readonly excluded: readonly string[];
  /** Keys, sorted. */
  readonly policies: readonly string[];
}

/** The pure outcome of all policies over all namespaces at one time. */
export interface Governance {
  readonly namespaces: ReadonlyMap<string, NamespaceGovernance>;
  readonly policies: ReadonlyMap<string, PolicyOutcome>;
  readonly constraints: readonly DesiredConstraint[];
  /** Governance of the namespaces that policies name and that do not exist yet, by name. */
  readonly awaited: ReadonlyMap<string, NamespaceGovernance>;
  /** The globs of deny policies. */
  readonly globs: readonly GlobReach[];
  /** Time of the next change without a write (an expiry, an expiry warning), if any. */
  readonly nextChangeAt: Date | undefined;
  readonly from: GovernanceInputs;
}

/** Objects that a governance was planned from: from the same ones follow the same parts. */
export interface GovernanceInputs {
  readonly all: readonly unknown[];
  /** Rules of each governed or awaited namespace, by name. */
  readonly namespaces: ReadonlyMap<string, readonly unknown[]>;
}

/**
 * A write that a plan wants. `key` names the target for retries and logs: `Namespace/finance`,
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
      /** Policies whose enforcement this write carries. */
      readonly policies: readonly string[];
    }
  | {
      /**
       * Removes fields that other writers added, which the following apply of the same key cannot.
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

/** A write that keeps failing. */
export interface WriteFailure {
  /** Key of its target, e.g. `Namespace/finance`. */
  readonly key: string;
  readonly policies: readonly string[];
  readonly error: string;
  /** The API server accepted the write and dropped a part of it. */
  readonly notKept?: true;
  /** Consecutive failures. */
  readonly failures: number;
}

/** Consecutive failures that raise an alert. */
export const ALERT_AFTER = 3;

/** Whether a write has failed often enough to be an alert. */
export const isAlert = (failure: WriteFailure): boolean => failure.failures >= ALERT_AFTER;

/**
 * Exceptions from the region labels of nodes: nodes that contradict themselves, and zones in
 * another country than their region.
 */
export interface NodeExceptions {
  /**
   * Nodes that are in no region, whatever their labels say, by name: they contradict themselves, or
   * their providerID alone says that they lie in another country. None where there are more than
   * {@link MAX_EXCEPTIONS}.
   */
  readonly disputedNodes: readonly string[];
  /**
   * Labels of the regions in which no node counts, as more nodes are disputed than are listed;
   * {@link EVERY_REGION}: of all.
   */
  readonly disputedRegions: readonly string[];
  /** Zones that count as regions of their own. */
  readonly zones: readonly string[];
}

/** Number of nodes, and of regions, that {@link NodeExceptions} lists at most. */
export const MAX_EXCEPTIONS: number = FLOOR_PARAMETER_LIMITS.exceptions;
/** Zones that the locks know at most; nodes in others have entries in the list of nodes. */
export const MAX_ZONES: number = FLOOR_PARAMETER_LIMITS.zones;
/** Placeholder for all regions; none has this name. */
export const EVERY_REGION = '*';
/** Exceptions of a cluster in which every node is where its region says. */
export const NO_EXCEPTIONS: NodeExceptions = { disputedNodes: [], disputedRegions: [], zones: [] };

/** The providers of a cluster's nodes, and what that says about names of regions. */
export interface PresentProviders {
  /** Undefined: there is none, or it is not known. */
  readonly catalog: CatalogIndex | undefined;
  readonly providers: ReadonlySet<string>;
  /** Regions, by their labels, of nodes whose provider is not known. */
  readonly unnamed: ReadonlySet<string>;
  /** Providers by a name of a region by which they mean different countries. */
  readonly ambiguous: ReadonlyMap<string, readonly string[]>;
}

/** Providers of a cluster that has neither nodes nor a catalogue of regions. */
export const NO_PROVIDERS: PresentProviders = { catalog: undefined, providers: new Set(), unnamed: new Set(), ambiguous: new Map() };

/** A set that has everything. */
class AnySet extends Set<string> {
  override has(): boolean {
    return true;
  }
}

/** The providers of a cluster whose nodes are not known: any may be there. */
export const ANY_PROVIDER: PresentProviders = { ...NO_PROVIDERS, providers: new AnySet() };

/** User names that the locks and the guard exempt. */
export interface Trust {
  /** User name of this agent, which alone may change enforcement. */
  readonly agent: string;
  /** Users that may bind pods to nodes in governed namespaces: the schedulers. */
  readonly binders: readonly string[];
  /** Users that may set the place of a node; `group:<name>` stands for a whole group. */
  readonly nodeLabelers: readonly string[];
  /** Namespace of Gatekeeper: its service accounts report the state of lock 2. */
  readonly gatekeeperNamespace: string;
}
