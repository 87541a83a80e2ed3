import type { KubeObject } from '@fso/shared/api';
import { weakMemo } from '../enforce/compare.ts';
import type { NamespaceGovernance } from '../enforce/types.ts';
import type { ProbeTarget } from '../observe/prober.ts';
import type { ClusterView } from '../observe/view.ts';
import type { ClusterPlan } from './plan.ts';
import type { WorkFailure } from './work-pool.ts';

const actionsText = weakMemo(({ actions }: NamespaceGovernance) => JSON.stringify(actions));

/** Namespaces whose labels cannot be written now, and that the index of lock 1 stands in for. */
export const indexedNamespaces = (plan: Pick<ClusterPlan, 'isIndexed'>, failures: readonly WorkFailure[]): ReadonlySet<string> =>
  new Set(
    failures
      .filter(({ key }) => key.startsWith('Namespace/'))
      .map(({ key }) => key.slice('Namespace/'.length))
      .filter((namespace) => plan.isIndexed(namespace)),
  );

interface Wanted {
  readonly governance: NamespaceGovernance;
  readonly before: ProbeTarget | undefined;
  readonly by: 'labels' | 'index';
}

/** Which namespaces are to be proven, and against what. A target that did not change is the same object. */
export class ProbeTargets {
  #known: ReadonlyMap<string, ProbeTarget> = new Map();
  #indexed: ReadonlySet<string> = new Set();
  #floor = '';
  /** Counts the versions of the floor: what was proven of one says nothing of the next. */
  #floorVersion = 0;

  /**
   * Namespaces that already say what they should, while the floor is whole: what is asked of others would prove nothing,
   * but of those that the index stands in for (`indexed`).
   */
  of(plan: ClusterPlan, view: ClusterView, indexed: ReadonlySet<string>): ReadonlyMap<string, ProbeTarget> {
    if (plan.floorWhole) this.#noteFloor([...view.admissionPolicies.list(), ...view.admissionBindings.list()]);
    const provable = [...(plan.floorWhole ? plan.governance.namespaces : [])].filter(
      ([namespace]) => !plan.unapplied.has(namespace) || indexed.has(namespace),
    );
    this.#known = new Map(
      provable.map(([namespace, governance]) => {
        const by = indexed.has(namespace) ? 'index' : 'labels';
        // What the index was proven to do says nothing of the labels, nor the other way round.
        const before = this.#indexed.has(namespace) === indexed.has(namespace) ? this.#known.get(namespace) : undefined;
        return [namespace, this.#target({ governance, before, by }, view)];
      }),
    );
    this.#indexed = indexed;
    return this.#known;
  }

  #target({ governance, before, by }: Wanted, view: ClusterView): ProbeTarget {
    const uid = view.namespaces.get(governance.namespace)?.metadata.uid ?? '';
    const same = before?.governance === governance && before.uid === uid && before.floorVersion === this.#floorVersion;
    if (same) return before;
    const fingerprint = `${uid} ${this.#floorVersion} ${by} ${actionsText(governance)}`;
    return { governance, fingerprint, uid, floorVersion: this.#floorVersion };
  }

  #noteFloor(objects: readonly KubeObject[]): void {
    const floor = objects
      .map(({ metadata }) => `${metadata.uid}:${metadata.generation}`)
      .sort()
      .join();
    if (floor !== this.#floor) this.#floorVersion += 1;
    this.#floor = floor;
  }
}
