import { decideResidency } from '@fso/shared/residency';
import { truncate, WeakValues, weakMemo, weakMemo2 } from '@fso/shared/runtime';
import { type NodesByName, type PlacedNode, type Pod, placementOf, regionsOf } from '../cache/index.ts';

/** Violations of a namespace that are named, as many as people read; all are counted. */
export const NAMED_PER_NAMESPACE = 100;

/** Reason why a pod is or may be outside, and its node and region if it has them. */
export interface Finding {
  readonly reason: string;
  readonly node?: string;
  readonly region?: string;
}

/** A pod outside of the allowed regions. */
export interface StrayPod {
  readonly pod: Pod;
  readonly finding: Finding;
}

/** The pods of a namespace that run outside of a list of regions, or may be scheduled outside. */
export interface StrayPods {
  /** Complete. */
  readonly count: number;
  /** The first {@link NAMED_PER_NAMESPACE}, by name. */
  readonly first: readonly StrayPod[];
}

const NO_STRAYS: StrayPods = { count: 0, first: [] };

/** The API server takes a region of any length in a pod's affinity. */
const MAX_REASON = 2048;

const FINISHED = new Set(['Succeeded', 'Failed']);

/** Whether a pod has ended: it runs nowhere any more, and violates nothing. */
export const isFinished = ({ status }: Pod): boolean => FINISHED.has(status?.phase ?? '');

/** Whether a pod may be scheduled outside of `allowed`, by what it asks for. */
export const mayStray = (pod: Pod, allowed: ReadonlySet<string>): boolean => {
  const regions = regionsOf(pod);
  return regions === undefined || !regions.every((region) => allowed.has(region));
};

/**
 * Whether a pod is, or may be, outside the allowed regions. A pod that is bound is judged by its
 * node: it cannot move any more.
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

/** Puts a pod into its place among the first by name. */
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

/** Region lists as sets: equal lists are the same set for as long as one of them is in use. */
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
 * Finds the stray pods of namespaces. They are the same object for as long as pods, nodes and
 * regions are, so that rounds in which nothing changed, and policies that allow the same, cost next
 * to nothing.
 */
export class StrayPodFinder {
  readonly #found = weakMemo2((pods: Iterable<Pod>, nodes: NodesByName) =>
    weakMemo((allowed: ReadonlySet<string>) => findStrays(pods, nodes, allowed)),
  );

  /** @param pods of one namespace @param allowed see {@link RegionSets} */
  find(pods: Iterable<Pod>, nodes: NodesByName, allowed: ReadonlySet<string>): StrayPods {
    return this.#found(pods, nodes)(allowed);
  }
}
