import type { KubeObject } from '@fso/shared/api';
import { weakMemo } from '../enforce/compare.ts';
import type { NamespaceGovernance } from '../enforce/types.ts';
import type { ProbeTarget } from '../observe/prober.ts';
import type { ClusterView } from '../observe/view.ts';
import type { ClusterPlan } from './plan.ts';

const actionsText = weakMemo(({ actions }: NamespaceGovernance) => JSON.stringify(actions));

/** Which namespaces are to be proven, and against what. A target that did not change is the same object. */
export class ProbeTargets {
  #known: ReadonlyMap<string, ProbeTarget> = new Map();
  #floor = '';
  /** Counts the versions of the floor: what was proven of one says nothing of the next. */
  #floorVersion = 0;

  /** Namespaces that already say what they should, while the floor is whole: what is asked of others would prove nothing. */
  of(plan: ClusterPlan, view: ClusterView): ReadonlyMap<string, ProbeTarget> {
    const targets = new Map<string, ProbeTarget>();
    if (plan.floor.length === 0) {
      this.#noteFloor([...view.admissionPolicies.list(), ...view.admissionBindings.list()]);
      for (const [namespace, governance] of plan.governance.namespaces) {
        if (!plan.unapplied.has(namespace)) targets.set(namespace, this.#target(namespace, governance, view));
      }
    }
    this.#known = targets;
    return targets;
  }

  #target(namespace: string, governance: NamespaceGovernance, view: ClusterView): ProbeTarget {
    const uid = view.namespaces.get(namespace)?.metadata.uid ?? '';
    const known = this.#known.get(namespace);
    const same = known?.governance === governance && known.uid === uid && known.floorVersion === this.#floorVersion;
    if (same) return known;
    const fingerprint = `${uid} ${this.#floorVersion} ${actionsText(governance)}`;
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
