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
  /** Generation that `report` speaks of. */
  readonly observedGeneration: number;
  /**
   * Whether every lock is Enforced, Unavailable or NotApplicable for `generation`, so that this
   * cluster has nothing left to put in force.
   */
  readonly proven: boolean;
  /** Violations by namespace; `report` names the first ones. */
  readonly violations: readonly NamespaceViolations[];
}

/** The policies of the accepted commit, and how far they stand in the cluster. */
export interface AcceptedPolicies {
  /** Digest of all of them; see CompiledCluster. */
  readonly digest: string;
  /** Policies by key; another object for another commit. */
  readonly policies: DesiredPolicies;
  /**
   * `metadata.generation` of the accepted content in the cluster; undefined: it is not there now.
   */
  readonly generationOf: (key: string) => number | undefined;
  /** Version that changes whenever a result of `generationOf` may have changed. */
  readonly version: number;
  /** Whether another commit is being written over this one. */
  readonly isChanging: boolean;
}

/** The part of a ClusterReport that only the stream knows. */
type StreamFact = 'clockSkewMs' | 'certificateExpires';

/** Facts of a report that only the stream knows. */
export type StreamFacts = Pick<ClusterReport, StreamFact>;

/** The part of a ClusterReport that is seen in the cluster. */
export type ClusterFacts = Omit<ClusterReport, keyof RevisionFacts | StreamFact> & Pick<AgentClusterReport, 'denials'>;

/** The accepted commit as the last round found it in the cluster. */
export interface RevisionSnapshot {
  /** Facts of the revision, which counts as proven as long as the cluster is observed. */
  readonly facts: RevisionFacts;
  /** undefined: which policies it has is not known. */
  readonly accepted: AcceptedPolicies | undefined;
}

/** State of the cluster as a round found it; reports are made from it. */
export interface AgentSnapshot {
  /** Policies by key. */
  readonly policies: ReadonlyMap<string, PolicySnapshot>;
  readonly cluster: ClusterFacts;
  /**
   * Profile of the cluster, the same object as long as it is the same; undefined: no round has
   * looked yet.
   */
  readonly profile?: ClusterProfile | undefined;
  /** Start of the round that the snapshot rests on; undefined as the profile. */
  readonly asOf?: Date | undefined;
  /** undefined: no commit was accepted yet. */
  readonly revision?: RevisionSnapshot | undefined;
  /** Finds where pods run now; undefined: no round has looked yet. */
  readonly locate?: (() => ClusterProcessing) | undefined;
}

/** Interface through which the reporting side reads from the enforcing side. */
export interface Observatory {
  snapshot(): AgentSnapshot;
  /** Ages of the evidence that the snapshot rests on. */
  ages(): Ages;
  /** Called after each change of the snapshot; coalesced by the reader. */
  onChange(handler: () => void): () => void;
  onEvent(handler: (event: ClusterEvent) => void): () => void;
}

/** Ages for an agent that does not observe its cluster, or not yet. */
const NOT_LOOKING: Ages = { oldestPartMs: Number.POSITIVE_INFINITY, oldestKindMs: Number.POSITIVE_INFINITY, outOfDate: ['Pause'] };

/** Holds what the enforcing side knows now, for those who report it. */
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

  /** Sets the source of the ages of the snapshot's evidence. */
  follow(ages: () => Ages): void {
    this.#ages = ages;
    this.notify();
  }

  /** Calls the handlers after a change beside the snapshot that is reported with it. */
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
