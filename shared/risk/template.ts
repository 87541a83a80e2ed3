import type { PodPlacement } from '../residency/index.ts';

/** core/v1 Toleration. */
export interface Toleration {
  readonly key?: string | undefined;
  readonly operator?: string | undefined;
  readonly value?: string | undefined;
  readonly effect?: string | undefined;
}

/** core/v1 Taint. */
export interface Taint {
  readonly key: string;
  readonly value?: string | undefined;
  readonly effect: string;
}

/** The parts of a pod template that decide where its pods may run. */
export interface PodTemplate extends Omit<PodPlacement, 'ownerReferences'> {
  readonly tolerations?: readonly Toleration[];
  /** Whether it says more of nodes than is kept: then only its regions are judged. */
  readonly isCut?: true;
}

/** The parts of a node that decide which pods fit on it. */
export interface NodeFacts {
  readonly name: string;
  readonly region: string | undefined;
  /** Undefined: it has more of them than are kept, and counts as one with every label. */
  readonly labels: Readonly<Record<string, string>> | undefined;
  readonly taints: readonly Taint[];
}
