import { FLOOR_PARAMETER_BYTES, FLOOR_PARAMETER_LIMITS, type FloorParametersSpec } from '@fso/shared/api';
import { weakMemo } from '@fso/shared/runtime';
import { keepFitting } from './entry-limit.ts';

/** Regions of nodes by name, as FloorParameters list them. */
export type Nodes = NonNullable<FloorParametersSpec['nodes']>;

/** Whether both lists have the same nodes in the same regions. */
export const sameNodes = (a: Nodes = {}, b: Nodes): boolean => {
  const names = Object.keys(b);
  return names.length === Object.keys(a).length && names.every((name) => a[name] === b[name]);
};

/** Node as lock 1 lists it. */
export interface ListedNode {
  readonly name: string;
  /** Region in which the node counts as being; undefined: none. */
  readonly region?: string | undefined;
  /** Region label of the node, which the API server copies to Bindings. */
  readonly labelled: string | undefined;
}

/** Nodes that fit into FloorParameters, and the number of those that do not. */
export interface NodeList {
  readonly kept: Nodes;
  readonly dropped: number;
  /** Size of the JSON of `kept`, in bytes. */
  readonly bytes: number;
  /** Names of nodes whose region differs from their label. */
  readonly misplaced: ReadonlySet<string>;
}

/** List of a cluster without nodes. */
export const NO_NODES: NodeList = { kept: {}, dropped: 0, bytes: 0, misplaced: new Set() };

/**
 * Builds the list. Nodes are updated all the time but hardly ever change their region, so the list
 * is rebuilt only if a region differs. Nodes with a wrong label come first, as nothing can replace
 * their entries.
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

/** Entry of a cached node, memoized so that a reconcile over many unchanged nodes is cheap. */
const nodeEntry = weakMemo(({ name, region = '' }: ListedNode): NodeEntry => [name, region]);
