import { decideResidency } from '@fso/shared/residency';
import { truncate, WeakValues, weakMemo, weakMemo2 } from '@fso/shared/runtime';
import { type NodesByName, type PlacedNode, type Pod, placementOf, regionsOf } from '../cache/index.ts';

/** Most violations of a namespace that are named, as many as people read. All are counted. */
export const NAMED_PER_NAMESPACE = 100;

/** Reason why a pod is or may be outside, with its node and region if it has them. */
export interface Finding {
  readonly reason: string;
  readonly node?: string;
  readonly region?: string;
}

/** Pod outside the allowed regions. */
export interface StrayPod {
  readonly pod: Pod;
  readonly finding: Finding;
}

/** Pods of a namespace that run outside a list of regions, or may be scheduled outside. */
export interface StrayPods {
  /** Number of all such pods. */
  readonly count: number;
  /** The first {@link NAMED_PER_NAMESPACE}, by name. */
  readonly first: readonly StrayPod[];
}

const NO_STRAYS: StrayPods = { count: 0, first: [] };

/**
 * Longest reason, in characters. The API server accepts a region of any length in a pod's affinity.
 */
const MAX_REASON = 2048;

const FINISHED = new Set(['Succeeded', 'Failed']);

/** Whether a pod has ended. It then runs nowhere and violates nothing. */
export const isFinished = ({ status }: Pod): boolean => FINISHED.has(status?.phase ?? '');

/** Whether a pod's own constraints let it be scheduled outside `allowed`. */
export const mayStray = (pod: Pod, allowed: ReadonlySet<string>): boolean => {
  const regions = regionsOf(pod);
  return regions === undefined || !regions.every((region) => allowed.has(region));
};

/**
 * Whether a pod is, or may be, outside the allowed regions. A bound pod is judged by its node, as
 * it cannot move any more.
 */
const isStray = (pod: Pod, nodes: NodesByName, allowed: ReadonlySet<string>): boolean => {
  if (isFinished(pod)) return false;
  const { nodeName } = pod.spec;
  if (!nodeName) return mayStray(pod, allowed);
  const region = nodes.get(nodeName)?.region;
  return region === undefined || !allowed.has(region);
};

const findingOf = (pod: Pod, nodes: NodesByName, allowed: ReadonlySet<string>): Finding => {
  const { nodeName } = pod.spec;
  if (nodeName) return runningOutside(nodeName, nodes.get(nodeName));
  const decision = decideResidency(placementOf(pod), [...allowed]);
  return { reason: truncate(`may be scheduled outside${decision.admitted ? '' : `: ${decision.violation}`}`, MAX_REASON) };
};

/** Describes the place of a pod that runs outside. */
export const runningOutside = (nodeName: string, node: PlacedNode | undefined): Finding => {
  if (node === undefined) return { reason: `runs on node ${nodeName}, which is not known`, node: nodeName };
  const { region, verdict, reason } = node;
  if (verdict === 'disputed')
    return { reason: truncate(`runs on node ${nodeName}, which contradicts itself: ${reason}`, MAX_REASON), node: nodeName };
  if (region === undefined) return { reason: `runs on node ${nodeName}, which has no region`, node: nodeName };
  return { reason: `runs on node ${nodeName} in ${region}, which is not an allowed region`, node: nodeName, region };
};

const isBefore = (a: Pod, b: Pod): boolean => a.metadata.name < b.metadata.name;

/** Inserts a pod in order of name among the first ones. */
const insert = (first: Pod[], pod: Pod): void => {
  const last = first.at(-1);
  if (first.length === NAMED_PER_NAMESPACE && last !== undefined && !isBefore(pod, last)) return;
  let [low, high] = [0, first.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    const other = first[middle];
    if (other !== undefined && isBefore(other, pod)) low = middle + 1;
    else high = middle;
  }
  first.splice(low, 0, pod);
  if (first.length > NAMED_PER_NAMESPACE) first.pop();
};

const findStrays = (pods: Iterable<Pod>, nodes: NodesByName, allowed: ReadonlySet<string>): StrayPods => {
  let count = 0;
  const first: Pod[] = [];
  for (const pod of pods) {
    if (!isStray(pod, nodes, allowed)) continue;
    count += 1;
    insert(first, pod);
  }
  return count === 0 ? NO_STRAYS : { count, first: first.map((pod) => ({ pod, finding: findingOf(pod, nodes, allowed) })) };
};

/** Interns region lists as sets: equal lists share one set while it is in use. */
export class RegionSets {
  readonly #byText = new WeakValues<ReadonlySet<string>>();
  readonly #sets = weakMemo((regions: readonly string[]): ReadonlySet<string> => {
    const text = regions.join(',');
    const known = this.#byText.get(text);
    if (known !== undefined) return known;
    const set = new Set(regions);
    this.#byText.set(text, set);
    return set;
  });

  of(regions: readonly string[]): ReadonlySet<string> {
    return this.#sets(regions);
  }
}

/**
 * Finds the stray pods of namespaces. Memoized by pods, nodes and regions, so that unchanged
 * namespaces, and policies that allow the same regions, cost next to nothing.
 */
export class StrayPodFinder {
  readonly #found = weakMemo2((pods: Iterable<Pod>, nodes: NodesByName) =>
    weakMemo((allowed: ReadonlySet<string>) => findStrays(pods, nodes, allowed)),
  );

  /**
   * @param pods of one namespace
   * @param allowed see {@link RegionSets}
   */
  find(pods: Iterable<Pod>, nodes: NodesByName, allowed: ReadonlySet<string>): StrayPods {
    return this.#found(pods, nodes)(allowed);
  }
}
