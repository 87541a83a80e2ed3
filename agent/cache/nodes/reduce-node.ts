import { isDeepStrictEqual } from 'node:util';
import { REGION_LABEL, ZONE_LABEL } from '@fso/shared/api';
import type { Node, ObjectKey } from '@fso/shared/kube';
import type { NodeFacts as PlaceFacts } from '@fso/shared/regions';
import type { NodeFacts, Taint } from '@fso/shared/risk';
import { definedOnly } from '../../compare.ts';
import { decoderOf, type Malformed, SHAPES } from '../decode.ts';

const decodeNode = decoderOf<Node>(SHAPES.node);

/** Node, reduced to its claims about its place and to what decides which pods fit on it. */
export interface ReducedNode extends Node, Malformed {
  readonly place?: PlaceFacts;
  readonly fit?: Pick<NodeFacts, 'labels' | 'taints'>;
}

/** Largest labels and taints of a node that are kept, in bytes of JSON. Most have 1 KB. */
const MAX_FIT_BYTES = 4_096;
const UNSCHEDULABLE: Taint = { key: 'node.kubernetes.io/unschedulable', effect: 'NoSchedule' };

/** Facts for fitting pods. If they are too large to be kept, every pod counts as fitting. */
const fitOf = (labels: Readonly<Record<string, string>> = {}, spec: Node['spec']): NonNullable<ReducedNode['fit']> => {
  const taints = (spec?.taints ?? []).map(({ key, value, effect }) => definedOnly({ key, value: value ?? undefined, effect }));
  const isMarked = taints.some(({ key, effect }) => key === UNSCHEDULABLE.key && effect === UNSCHEDULABLE.effect);
  const fit = { labels, taints: spec?.unschedulable === true && !isMarked ? [...taints, UNSCHEDULABLE] : taints };
  return Buffer.byteLength(JSON.stringify(fit)) <= MAX_FIT_BYTES ? fit : { labels: undefined, taints: [] };
};

/** Reduces a node. Unreadable labels count as none. An empty label names no place. */
export const reduceNode = (node: Node): ReducedNode => {
  const { metadata, spec, malformed } = decodeNode(node);
  const { name, uid, resourceVersion, labels } = metadata;
  return {
    place: definedOnly({
      providerID: spec?.providerID,
      region: labels?.[REGION_LABEL] || undefined,
      zone: labels?.[ZONE_LABEL] || undefined,
    }),
    fit: fitOf(labels, spec),
    metadata: definedOnly({ name, uid, resourceVersion }) as Node['metadata'],
    ...(malformed !== undefined && { malformed }),
  };
};

/**
 * Converts a node to the input of risk judgements.
 *
 * @param region in which the node counts as being
 */
export const toNodeFacts = ({ metadata: { name }, fit }: ReducedNode, region: string | undefined): NodeFacts => ({
  name,
  region,
  labels: fit?.labels,
  taints: fit?.taints ?? [],
});

/** Whether two versions name the same place. Kubelets update the status of nodes all the time. */
export const isSameNode = (a: ReducedNode, b: ReducedNode): boolean =>
  a.metadata.uid === b.metadata.uid && isDeepStrictEqual(a.place, b.place);

/** Whether the same pods fit on both versions of a node. */
export const isSameFit = (a: ReducedNode, b: ReducedNode): boolean => isSameNode(a, b) && isDeepStrictEqual(a.fit, b.fit);

/** Wraps a handler so that it skips updates that leave the reduced object unchanged. */
export const ignoreUnchanged =
  <T>(isSame: (a: T, b: T) => boolean, handler: () => void) =>
  (_key: ObjectKey, current: T | undefined, previous: T | undefined): void => {
    if (current === undefined || previous === undefined || !isSame(current, previous)) handler();
  };
