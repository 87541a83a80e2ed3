import { type ClusterEvent, type FloorParameters, NODES_PARAMETERS } from '@fso/shared/api';
import { NODE_KIND } from '@fso/shared/kube';
import type { PlacedNode } from '../cache/index.ts';
import type { EventSink } from './event-sink.ts';

/** A node that has changed its region. */
export interface NodeMove {
  readonly node: PlacedNode;
  readonly from: string;
  /** Empty: the node has no region any more. */
  readonly to: string;
}

/**
 * Number of moves at a time above which they are reported in one event: a whole pool was
 * relabelled.
 */
const MAX_EVENTS = 20;
/**
 * Names of nodes that are gone are remembered: one may come back elsewhere. The oldest go first.
 */
const MAX_REMEMBERED = 50_000;

/**
 * Last region of each node, also of nodes that have gone since. The scheduler and both locks trust
 * a node's region: when it changes, pods that run there are suddenly in another place.
 */
export class NodeMoves {
  readonly #regions = new Map<string, string>();
  /** Remembered nodes whose lost region was reported already. */
  readonly #lost = new Set<string>();

  /** @param parameters what an agent before this one listed */
  constructor(parameters: readonly FloorParameters[]) {
    const listed = parameters.find(({ metadata }) => metadata.name === NODES_PARAMETERS)?.spec?.nodes ?? {};
    for (const [name, region] of Object.entries(listed)) if (region !== '') this.#regions.set(name, region);
  }

  /** @returns nodes that are elsewhere than they were last. A first region is no move. */
  find(nodes: readonly PlacedNode[]): readonly NodeMove[] {
    const moves = nodes.flatMap((node) => this.#take(node));
    for (const name of this.#regions.keys()) {
      if (this.#regions.size <= Math.max(MAX_REMEMBERED, nodes.length)) break;
      this.#regions.delete(name);
      this.#lost.delete(name);
    }
    return moves;
  }

  #take(node: PlacedNode): readonly NodeMove[] {
    const { name, region: to = '', verdict } = node;
    // Where it is is not known, so that it has not moved: see DisputedNodes.
    if (verdict === 'disputed') return [];
    const from = this.#regions.get(name);
    const isReported = to === '' ? this.#lost.has(name) : from === to;
    if (to !== '') {
      this.#regions.set(name, to);
      this.#lost.delete(name);
    } else if (from !== undefined) {
      this.#lost.add(name);
    }
    return from === undefined || isReported ? [] : [{ node, from, to }];
  }
}

const textOf = ({ node, from, to }: NodeMove): string =>
  `node ${node.name} ${to === '' ? `is no longer in region ${from}: it has none` : `is in region ${to} now, it was in ${from}`}`;

/** A warning for each move, and an Event on the node. */
export const reportMoves = (moves: readonly NodeMove[], events: NodeEvents): void =>
  reportNodes(events, {
    reason: 'NodeMoved',
    named: moves.map((move) => ({ node: move.node, message: `${textOf(move)}; pods that run there are where the node is` })),
    others: (count) => `${count} more nodes are in another region than before`,
  });

type NodeEvents = Pick<EventSink, 'ofCluster' | 'recordOn'>;

interface NodeWarnings {
  readonly reason: string;
  readonly named: readonly { readonly node: PlacedNode; readonly message: string }[];
  /** Text about those that are too many to be named. */
  readonly others: (count: number) => string;
}

const reportNodes = (events: NodeEvents, { reason, named, others }: NodeWarnings): void => {
  const eventOf = (message: string): Omit<ClusterEvent, 'time'> => ({ severity: 'warning', reason, message });
  for (const { node, message } of named.slice(0, MAX_EVENTS)) {
    const event = eventOf(message);
    events.ofCluster(event);
    const { apiVersion, kind } = NODE_KIND;
    events.recordOn({ apiVersion, kind, metadata: { name: node.name, ...(node.uid !== undefined && { uid: node.uid }) } }, event);
  }
  if (named.length > MAX_EVENTS) events.ofCluster(eventOf(others(named.length - MAX_EVENTS)));
};

/** Nodes that contradict themselves, each of which is reported once for as long as it does. */
export class DisputedNodes {
  #known: ReadonlyMap<string, string | undefined> = new Map();

  /** @returns those that did not, or said something else */
  find(nodes: readonly PlacedNode[]): readonly PlacedNode[] {
    const disputed = nodes.filter(({ verdict }) => verdict === 'disputed');
    const found = disputed.filter(({ name, reason }) => !this.#known.has(name) || this.#known.get(name) !== reason);
    this.#known = new Map(disputed.map(({ name, reason }) => [name, reason]));
    return found;
  }
}

/** Reports each with a warning, and an Event on the node. */
export const reportDisputed = (nodes: readonly PlacedNode[], events: NodeEvents): void =>
  reportNodes(events, {
    reason: 'NodeDisputed',
    named: nodes.map((node) => ({
      node,
      message: `node ${node.name} is in no region, as it contradicts itself: ${node.reason}; no pod that a deny policy governs is bound to it`,
    })),
    others: (count) => `${count} more nodes contradict themselves and are in no region`,
  });
