import type { AgentClusterReport, ClusterEvent, ClusterProcessing, ClusterReport, PolicyReport, RevisionFacts } from '@fso/shared/api';
import type { Ages } from '@fso/shared/protocol';
import type { ClusterProfile } from '@fso/shared/status';
import type { DesiredPolicies } from '../enforce/index.ts';
import type { NamespaceViolations } from './violations.ts';

/** State of one policy as the agent knows it now. */
export interface PolicySnapshot {
  readonly report: PolicyReport;
  /** `metadata.generation` of the SovereignPolicy. */
  readonly generation: number;
  /** Generation that `report` describes. */
  readonly observedGeneration: number;
  /**
   * Whether every lock is Enforced, Unavailable or NotApplicable for `generation`: this cluster has
   * nothing left to put in force.
   */
  readonly proven: boolean;
  /** Violations by namespace. `report` names the first ones. */
  readonly violations: readonly NamespaceViolations[];
}

/** Policies of the accepted commit, and their state in the cluster. */
export interface AcceptedPolicies {
  /** Digest of all policies; see CompiledCluster. */
  readonly digest: string;
  /** Policies by key. Every commit has another object. */
  readonly policies: DesiredPolicies;
  /**
   * `metadata.generation` of the policy in the cluster; undefined if it does not have the accepted
   * content now.
   */
  readonly generationOf: (key: string) => number | undefined;
  /** Version that changes whenever a result of `generationOf` may have changed. */
  readonly version: number;
  /** Whether another commit is being written. */
  readonly isChanging: boolean;
}

/** Fields of a ClusterReport that only the stream knows. */
type StreamFact = 'clockSkewMs' | 'certificateExpires';

/** Values of a report that only the stream knows. */
export type StreamFacts = Pick<ClusterReport, StreamFact>;

/** Part of a ClusterReport that is observed in the cluster. */
export type ClusterFacts = Omit<ClusterReport, keyof RevisionFacts | StreamFact> & Pick<AgentClusterReport, 'denials'>;

/** Accepted commit as the last reconcile found it in the cluster. */
export interface RevisionSnapshot {
  /** Facts of the revision. It counts as proven only while the cluster is observed. */
  readonly facts: RevisionFacts;
  /** undefined: its policies are unknown. */
  readonly accepted: AcceptedPolicies | undefined;
}

/** State of the cluster as a reconcile found it, from which reports are built. */
export interface AgentSnapshot {
  /** Policies by key. */
  readonly policies: ReadonlyMap<string, PolicySnapshot>;
  readonly cluster: ClusterFacts;
  /**
   * Profile of the cluster: the same object while unchanged; undefined before the first reconcile.
   */
  readonly profile?: ClusterProfile | undefined;
  /** Start of the reconcile that the snapshot is based on; undefined before the first one. */
  readonly asOf?: Date | undefined;
  /** undefined: no commit is accepted yet. */
  readonly revision?: RevisionSnapshot | undefined;
  /** Finds where pods run now; undefined before the first reconcile. */
  readonly locate?: (() => ClusterProcessing) | undefined;
}

/** Read access of the reporting side to the state of the enforcing side. */
export interface Observatory {
  snapshot(): AgentSnapshot;
  /** Ages of the evidence that the snapshot is based on. */
  ages(): Ages;
  /** Registers a handler for changes of the snapshot. The reader coalesces calls. */
  onChange(handler: () => void): () => void;
  onEvent(handler: (event: ClusterEvent) => void): () => void;
}

/** Ages of an agent that does not observe its cluster, or not yet. */
const NOT_LOOKING: Ages = { oldestPartMs: Number.POSITIVE_INFINITY, oldestKindMs: Number.POSITIVE_INFINITY, outOfDate: ['Pause'] };

/** Holds the current state of the enforcing side for reports. */
export class LiveObservatory implements Observatory {
  #snapshot: AgentSnapshot;
  #ages: () => Ages = () => NOT_LOOKING;
  readonly #changeHandlers = new Set<() => void>();
  readonly #eventHandlers = new Set<(event: ClusterEvent) => void>();

  constructor(initial: AgentSnapshot) {
    this.#snapshot = initial;
  }

  snapshot(): AgentSnapshot {
    return this.#snapshot;
  }

  ages(): Ages {
    return this.#ages();
  }

  /** Sets the source of the evidence's ages. */
  follow(ages: () => Ages): void {
    this.#ages = ages;
    this.notify();
  }

  /** Calls the handlers after a change that is reported with the snapshot but is not part of it. */
  notify(): void {
    for (const handler of this.#changeHandlers) handler();
  }

  publish(snapshot: AgentSnapshot): void {
    this.#snapshot = snapshot;
    this.notify();
  }

  emit(event: ClusterEvent): void {
    for (const handler of this.#eventHandlers) handler(event);
  }

  onChange(handler: () => void): () => void {
    this.#changeHandlers.add(handler);
    return () => this.#changeHandlers.delete(handler);
  }

  onEvent(handler: (event: ClusterEvent) => void): () => void {
    this.#eventHandlers.add(handler);
    return () => this.#eventHandlers.delete(handler);
  }
}
