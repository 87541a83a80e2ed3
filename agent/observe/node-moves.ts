import { type ClusterEvent, type FloorParameters, NODES_PARAMETERS, REGION_LABEL } from '@fso/shared/api';
import { NODE_KIND, type Node } from '@fso/shared/kube';
import type { EventSink } from './event-sink.ts';

export interface NodeMove {
  readonly node: Node;
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
  find(nodes: readonly Node[]): readonly NodeMove[] {
    const moves = nodes.flatMap((node) => this.#take(node));
    for (const name of this.#regions.keys()) {
      if (this.#regions.size <= Math.max(MAX_REMEMBERED, nodes.length)) break;
      this.#regions.delete(name);
      this.#lost.delete(name);
    }
    return moves;
  }

  #take(node: Node): readonly NodeMove[] {
    const { name, labels } = node.metadata;
    const to = labels?.[REGION_LABEL] ?? '';
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
  `node ${node.metadata.name} ${to === '' ? `is no longer in region ${from}: it has none` : `is in region ${to} now, it was in ${from}`}`;

/** A warning for each move, and an Event on the node. */
export const reportMoves = (moves: readonly NodeMove[], events: Pick<EventSink, 'ofCluster' | 'recordOn'>): void => {
  const eventOf = (message: string): Omit<ClusterEvent, 'time'> => ({ severity: 'warning', reason: 'NodeMoved', message });
  for (const move of moves.slice(0, MAX_EVENTS)) {
    const event = eventOf(`${textOf(move)}; pods that run there are where the node is`);
    events.ofCluster(event);
    const { apiVersion, kind } = NODE_KIND;
    events.recordOn({ apiVersion, kind, metadata: move.node.metadata }, event);
  }
  if (moves.length > MAX_EVENTS) events.ofCluster(eventOf(`${moves.length - MAX_EVENTS} more nodes are in another region than before`));
};
