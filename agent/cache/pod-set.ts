import type { ObjectKey } from '@fso/shared/kube';
import type { Pod } from './reduce.ts';

/** The pods of one namespace: another object after each change, so that readers can remember what they found in it. */
export class PodSet implements Iterable<Pod> {
  static readonly NONE: PodSet = new PodSet(new Map());
  readonly #pods: Map<ObjectKey, Pod>;

  private constructor(pods: Map<ObjectKey, Pod>) {
    this.#pods = pods;
  }

  /** This set with a pod, or without it. Only the last set of a namespace may be read. */
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
