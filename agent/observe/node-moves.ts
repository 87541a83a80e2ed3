import { type ClusterEvent, type FloorParameters, NODES_PARAMETERS } from '@fso/shared/api';
import { NODE_KIND } from '@fso/shared/kube';
import type { PlacedNode } from '../cache/index.ts';
import type { EventSink } from './event-sink.ts';

/** Change of a node's region. */
export interface NodeMove {
  readonly node: PlacedNode;
  readonly from: string;
  /** Empty if the node has no region any more. */
  readonly to: string;
}

/** Most moves reported one by one at a time. More happen when a whole pool is relabelled. */
const MAX_EVENTS = 20;
/**
 * Most names of deleted nodes that are remembered, since a node may return elsewhere. The oldest
 * are dropped first.
 */
const MAX_REMEMBERED = 50_000;

/**
 * Tracks the last region of each node, including deleted ones. The scheduler and both locks trust a
 * node's region: if it changes, the pods on the node are suddenly in another place.
 */
export class NodeMoves {
  readonly #regions = new Map<string, string>();
  /** Remembered nodes whose loss of a region was already reported. */
  readonly #lost = new Set<string>();

  /** @param parameters node list of the previous agent */
  constructor(parameters: readonly FloorParameters[]) {
    const listed = parameters.find(({ metadata }) => metadata.name === NODES_PARAMETERS)?.spec?.nodes ?? {};
    for (const [name, region] of Object.entries(listed)) if (region !== '') this.#regions.set(name, region);
  }

  /** Finds the nodes whose region changed. A first region is not a move. */
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
    // The real region is unknown, so no move can be seen; see DisputedNodes.
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

/** Reports each move as a warning, with an Event on the node. */
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
  /** Text for the nodes beyond those that are named. */
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

/** Tracks nodes that contradict themselves, so that each contradiction is reported once. */
export class DisputedNodes {
  #known: ReadonlyMap<string, string | undefined> = new Map();

  /** Finds the nodes that contradict themselves newly or in another way than before. */
  find(nodes: readonly PlacedNode[]): readonly PlacedNode[] {
    const disputed = nodes.filter(({ verdict }) => verdict === 'disputed');
    const found = disputed.filter(({ name, reason }) => !this.#known.has(name) || this.#known.get(name) !== reason);
    this.#known = new Map(disputed.map(({ name, reason }) => [name, reason]));
    return found;
  }
}

/** Reports each node as a warning, with an Event on the node. */
export const reportDisputed = (nodes: readonly PlacedNode[], events: NodeEvents): void =>
  reportNodes(events, {
    reason: 'NodeDisputed',
    named: nodes.map((node) => ({
      node,
      message: `node ${node.name} is in no region, as it contradicts itself: ${node.reason}; no pod that a deny policy governs is bound to it`,
    })),
    others: (count) => `${count} more nodes contradict themselves and are in no region`,
  });
