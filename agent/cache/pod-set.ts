import type { ObjectKey } from '@fso/shared/kube';
import type { Pod } from './reduce.ts';

/**
 * Pods of one namespace. Every change gives a new object, so that readers can memoize by identity.
 */
export class PodSet implements Iterable<Pod> {
  static readonly NONE: PodSet = new PodSet(new Map());
  readonly #pods: Map<ObjectKey, Pod>;

  private constructor(pods: Map<ObjectKey, Pod>) {
    this.#pods = pods;
  }

  /** Returns this set with or without a pod. Only the latest set of a namespace may be read. */
  with(key: ObjectKey, pod: Pod | undefined): PodSet {
    const pods = this === PodSet.NONE ? new Map<ObjectKey, Pod>() : this.#pods;
    if (pod === undefined) pods.delete(key);
    else pods.set(key, pod);
    return pods.size === 0 ? PodSet.NONE : new PodSet(pods);
  }

  [Symbol.iterator](): Iterator<Pod> {
    return this.#pods.values();
  }
}

/** Pods of the cluster, by namespace. */
export class PodsByNamespace {
  readonly #sets = new Map<string, PodSet>();

  /**
   * @param key of the pod in the cache
   * @param pod undefined if it was deleted
   */
  set(key: ObjectKey, pod: Pod | undefined): void {
    const namespace = key.split('/')[0] ?? '';
    const pods = this.in(namespace).with(key, pod);
    if (pods === PodSet.NONE) this.#sets.delete(namespace);
    else this.#sets.set(namespace, pods);
  }

  /** Returns the pods of a namespace: the same object while they are unchanged. */
  in(namespace: string): PodSet {
    return this.#sets.get(namespace) ?? PodSet.NONE;
  }
}
