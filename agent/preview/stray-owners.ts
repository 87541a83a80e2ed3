import type { NodesByName, PlacedNode, Pod } from '../cache/index.ts';
import { isFinished, runningOutside } from '../observe/index.ts';
import { type DeniedNamespace, type OwnerCache, type OwnerSet, ownerOfPod } from '../risk/index.ts';
import type { ChangedNamespace } from './changed-namespace.ts';
import type { Steps } from './question.ts';

/** Owner with running pods outside their allowed regions. */
export interface StrayOwner {
  readonly kind: string;
  readonly name: string;
  /** Number of its pods that are outside by the rule in force. */
  now: number;
  /** Number of its pods that are outside by the changed rule. */
  after: number;
  /** Place of the first pod that is outside by the changed rule. */
  reason: string;
}

/** Running pods and their owners, and the regions that a change removes. */
export interface PodSource {
  podsIn(namespace: string): Iterable<Pod>;
  readonly nodes: NodesByName;
  readonly owners: Pick<OwnerCache, 'ownersIn'>;
  /** Regions whose nodes, with their pods, are gone after the change. */
  readonly withoutRegions: ReadonlySet<string>;
}

/** Number of pods examined in one step. */
const AT_ONCE = 100;

const isOutside = (denied: DeniedNamespace | undefined, node: PlacedNode | undefined): boolean =>
  denied !== undefined && (node?.region === undefined || !denied.deny.regions.includes(node.region));

interface StrayOwners {
  readonly owners: readonly StrayOwner[];
  /** Number of pods running in the namespace. */
  readonly running: number;
}

/** Counts the pods of one namespace by owner. */
class StrayTally {
  readonly #changed: ChangedNamespace;
  readonly #source: PodSource;
  readonly #owners: OwnerSet;
  readonly #found = new Map<string, StrayOwner>();
  #running = 0;

  constructor(changed: ChangedNamespace, source: PodSource) {
    this.#changed = changed;
    this.#source = source;
    this.#owners = source.owners.ownersIn(changed.namespace);
  }

  add(pod: Pod): void {
    const { nodeName } = pod.spec;
    if (!nodeName || isFinished(pod)) return;
    this.#running += 1;
    const { before, after } = this.#changed;
    const { nodes, withoutRegions } = this.#source;
    const node = nodes.get(nodeName);
    const isGone = node?.region !== undefined && withoutRegions.has(node.region);
    const sides = { now: isOutside(before, node), after: !isGone && isOutside(after, node) };
    if (!sides.now && !sides.after) return;
    const owner = this.#ownerOf(pod);
    owner.now += Number(sides.now);
    owner.after += Number(sides.after);
    if (sides.after && owner.reason === '') owner.reason = runningOutside(nodeName, node).reason;
  }

  #ownerOf(pod: Pod): StrayOwner {
    const { kind, name } = ownerOfPod(pod, this.#owners);
    const key = `${kind}/${name}`;
    const owner = this.#found.get(key) ?? { kind, name, now: 0, after: 0, reason: '' };
    this.#found.set(key, owner);
    return owner;
  }

  get result(): StrayOwners {
    return { owners: [...this.#found.values()], running: this.#running };
  }
}

/** Finds the owners whose pods run outside before or after a change, a few pods per step. */
export function* findStrayOwners(changed: ChangedNamespace, source: PodSource): Steps<StrayOwners> {
  const tally = new StrayTally(changed, source);
  let looked = 0;
  for (const pod of source.podsIn(changed.namespace)) {
    tally.add(pod);
    looked += 1;
    if (looked % AT_ONCE === 0) yield AT_ONCE;
  }
  yield looked % AT_ONCE;
  return tally.result;
}
