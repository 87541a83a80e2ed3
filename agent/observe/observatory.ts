import type { ClusterEvent, ClusterReport, PolicyReport } from '@fso/shared/api';
import type { FoundViolation } from './violations.ts';

/** What the agent knows of one policy now. */
export interface PolicySnapshot {
  readonly report: PolicyReport;
  /** `metadata.generation` of the SovereignPolicy. */
  readonly generation: number;
  /** Generation that `report` speaks of. */
  readonly observedGeneration: number;
  /**
   * Every lock is Enforced, Unavailable or NotApplicable for `generation`: there is nothing left that this cluster
   * could still put in force.
   */
  readonly proven: boolean;
  /** Every violation, by namespace and name; `report` names the first ones. */
  readonly violations: readonly FoundViolation[];
}

/** The part of a ClusterReport that only the stream knows: of revisions, and of itself. */
export type StreamFact =
  | 'revision'
  | 'provenRevision'
  | 'verification'
  | 'signer'
  | 'verificationReason'
  | 'clockSkewMs'
  | 'certificateExpires';

/** The part of a ClusterReport that is seen in the cluster. */
export type ClusterFacts = Omit<ClusterReport, StreamFact>;

export interface AgentSnapshot {
  /** By key. */
  readonly policies: ReadonlyMap<string, PolicySnapshot>;
  readonly cluster: ClusterFacts;
}

/** What the reporting side reads from the enforcing side. */
export interface Observatory {
  snapshot(): AgentSnapshot;
  /** Called after each change of the snapshot; coalesced by the reader. */
  onChange(handler: () => void): () => void;
  onEvent(handler: (event: ClusterEvent) => void): () => void;
}

/** Holds what the enforcing side knows now, for those who report it. */
export class LiveObservatory implements Observatory {
  #snapshot: AgentSnapshot;
  readonly #changeHandlers = new Set<() => void>();
  readonly #eventHandlers = new Set<(event: ClusterEvent) => void>();

  constructor(initial: AgentSnapshot) {
    this.#snapshot = initial;
  }

  snapshot(): AgentSnapshot {
    return this.#snapshot;
  }

  publish(snapshot: AgentSnapshot): void {
    this.#snapshot = snapshot;
    for (const handler of this.#changeHandlers) handler();
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
