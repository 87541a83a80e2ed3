import type { KubeObject } from '@fso/shared/api';
import type { Informer } from '@fso/shared/kube';
import type { Clock } from '@fso/shared/runtime';

/**
 * Longest time, in ms, for which an API server still uses the old schema after a change of a CRD,
 * as it learns of CRDs by its own watch.
 */
const OLD_SCHEMA_MS = 10_000;

/**
 * Lists the objects of a CRD again after a change of its schema. An open watch delivers objects by
 * the schema with which it began, so without new fields, and does not deliver a version twice
 * (docs/adr/0012-parameters-of-the-floor.md).
 */
export class SchemaRereads {
  readonly #clock: Clock;
  readonly #signal: AbortSignal;
  /** Lists that are still due. */
  readonly #pending = new Map<Informer<KubeObject>, AbortController>();

  constructor(clock: Clock, signal: AbortSignal) {
    this.#clock = clock;
    this.#signal = signal;
  }

  /** Lists at once, and again after the API server must know the schema. */
  readAgain(objects: Informer<KubeObject>): void {
    this.#pending.get(objects)?.abort();
    const later = new AbortController();
    this.#pending.set(objects, later);
    const signal = AbortSignal.any([this.#signal, later.signal]);
    const read = async (): Promise<void> => {
      await objects.relist(signal);
      await this.#clock.sleep(OLD_SCHEMA_MS, signal);
      await objects.relist(signal);
    };
    // Aborted if the agent ends or another change starts a new list.
    void read().catch(() => undefined);
  }
}
