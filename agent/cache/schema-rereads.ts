import type { KubeObject } from '@fso/shared/api';
import type { Informer } from '@fso/shared/kube';
import type { Clock } from '@fso/shared/runtime';

/**
 * Longest time in ms for which an API server uses the schema from before a change of a CRD: it
 * follows CRDs by its own watch.
 */
const OLD_SCHEMA_MS = 10_000;

/**
 * Lists the objects of a CRD again after a change of its schema. An open watch brings objects as
 * the schema was when it began, so without the fields that a newer one has, and a version that was
 * read once is not brought again (docs/adr/0012-parameters-of-the-floor.md).
 */
export class SchemaRereads {
  readonly #clock: Clock;
  readonly #signal: AbortSignal;
  /** Lists that are still to come. */
  readonly #pending = new Map<Informer<KubeObject>, AbortController>();

  constructor(clock: Clock, signal: AbortSignal) {
    this.#clock = clock;
    this.#signal = signal;
  }

  /** Lists at once, and once more when the API server surely knows the schema. */
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
    // Aborted: the agent ends, or another change has the objects read.
    void read().catch(() => undefined);
  }
}
