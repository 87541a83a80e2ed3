import { FLOOR_PARAMETER_BYTES, FLOOR_PARAMETER_LIMITS, type FloorParametersSpec, REGION_LABEL } from '@fso/shared/api';
import type { Node } from '@fso/shared/kube';
import { weakMemo } from '@fso/shared/runtime';
import { within } from './entry-limit.ts';

export type Nodes = NonNullable<FloorParametersSpec['nodes']>;

export const sameNodes = (a: Nodes = {}, b: Nodes): boolean => {
  const names = Object.keys(b);
  return names.length === Object.keys(a).length && names.every((name) => a[name] === b[name]);
};

export interface NodeList {
  readonly kept: Nodes;
  readonly dropped: number;
  /** Bytes of its JSON. */
  readonly bytes: number;
}

export const NO_NODES: NodeList = { kept: {}, dropped: 0, bytes: 0 };

/**
 * Nodes change their version all the time and their region hardly ever: the list is built again
 * only when a region differs.
 */
export const nodesOf: (nodes: readonly Node[]) => NodeList = (() => {
  let known: { readonly entries: readonly NodeEntry[]; readonly list: NodeList } = { entries: [], list: NO_NODES };
  return (nodes) => {
    const entries = nodes.map(nodeEntry);
    if (!isSameList(entries, known.entries)) {
      const { kept, dropped, bytes } = within(entries, FLOOR_PARAMETER_LIMITS.nodes, FLOOR_PARAMETER_BYTES.nodes);
      known = { entries, list: { kept: Object.fromEntries(kept), dropped, bytes } };
    }
    return known.list;
  };
})();

type NodeEntry = readonly [name: string, region: string];

const isSameList = (a: readonly NodeEntry[], b: readonly NodeEntry[]): boolean =>
  a.length === b.length && a.every(([name, region], index) => name === b[index]?.[0] && region === b[index]?.[1]);

/** The entry of a cached node, so that a round over many unchanged nodes is cheap. */
const nodeEntry = weakMemo(({ metadata }: Node): NodeEntry => [metadata.name, metadata.labels?.[REGION_LABEL] ?? '']);
