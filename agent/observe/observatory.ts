import type { ClusterEvent } from '@fso/shared/api';
import type { AgentSnapshot, Observatory } from './types.ts';

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
