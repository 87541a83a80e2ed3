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
  /**
   * Whether rules about nodes were dropped because there are too many. Only the regions of such a
   * template are judged.
   */
  readonly isCut?: true;
}

/** The parts of a node that decide which pods fit on it. */
export interface NodeFacts {
  readonly name: string;
  readonly region: string | undefined;
  /** Undefined if the node has too many labels to keep. It then counts as having every label. */
  readonly labels: Readonly<Record<string, string>> | undefined;
  readonly taints: readonly Taint[];
}
