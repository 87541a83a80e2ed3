import { FLOOR_PARAMETER_BYTES, FLOOR_PARAMETER_LIMITS, type FloorParametersSpec } from '@fso/shared/api';
import { weakMemo } from '@fso/shared/runtime';
import { keepFitting } from './entry-limit.ts';

/** Regions of nodes by name, as FloorParameters list them. */
export type Nodes = NonNullable<FloorParametersSpec['nodes']>;

/** Whether two lists have the same nodes in the same regions. */
export const sameNodes = (a: Nodes = {}, b: Nodes): boolean => {
  const names = Object.keys(b);
  return names.length === Object.keys(a).length && names.every((name) => a[name] === b[name]);
};

/** A node as lock 1 lists it. */
export interface ListedNode {
  readonly name: string;
  /** Region in which it counts as being; undefined: in none. */
  readonly region?: string | undefined;
  /** Region by its label, from which a Binding gets it. */
  readonly labelled: string | undefined;
}

/** The nodes that fit into FloorParameters, and the number of those that do not. */
export interface NodeList {
  readonly kept: Nodes;
  readonly dropped: number;
  /** Bytes of its JSON. */
  readonly bytes: number;
  /** Nodes that are not where their label says, by name. */
  readonly misplaced: ReadonlySet<string>;
}

/** List of a cluster without nodes. */
export const NO_NODES: NodeList = { kept: {}, dropped: 0, bytes: 0, misplaced: new Set() };

/**
 * Nodes change their version all the time and their region hardly ever: the list is built again
 * only when a region differs. Nodes that are not where their label says come first, as nothing
 * stands in for their entries.
 */
export const nodesOf: (nodes: readonly ListedNode[]) => NodeList = (() => {
  let known: { readonly entries: readonly NodeEntry[]; readonly list: NodeList } = { entries: [], list: NO_NODES };
  return (nodes) => {
    const entries = nodes.map(nodeEntry);
    if (!isSameList(entries, known.entries)) known = { entries, list: listOf(entries, nodes.filter(isMisplaced)) };
    return known.list;
  };
})();

const isMisplaced = ({ region, labelled }: ListedNode): boolean => region !== labelled;

const listOf = (entries: readonly NodeEntry[], misplaced: readonly ListedNode[]): NodeList => {
  const names = new Set(misplaced.map(({ name }) => name));
  const { first = [], second = [] } = Object.groupBy(entries, ([name]) => (names.has(name) ? 'first' : 'second'));
  const { nodes: limit } = FLOOR_PARAMETER_LIMITS;
  const ahead = keepFitting(first, limit, FLOOR_PARAMETER_BYTES.nodes);
  const rest = keepFitting(second, limit - ahead.kept.length, FLOOR_PARAMETER_BYTES.nodes - ahead.bytes);
  const kept = Object.fromEntries([...ahead.kept, ...rest.kept]);
  return { kept, dropped: ahead.dropped + rest.dropped, bytes: ahead.bytes + rest.bytes, misplaced: names };
};

type NodeEntry = readonly [name: string, region: string];

const isSameList = (a: readonly NodeEntry[], b: readonly NodeEntry[]): boolean =>
  a.length === b.length && a.every(([name, region], index) => name === b[index]?.[0] && region === b[index]?.[1]);

/** The entry of a cached node, so that a round over many unchanged nodes is cheap. */
const nodeEntry = weakMemo(({ name, region = '' }: ListedNode): NodeEntry => [name, region]);
