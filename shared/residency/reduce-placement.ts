import { REGION_LABEL } from '../api/index.ts';
import { isOneNode, isOwnedByDaemonSet, isTooLarge, partsOf, requiredTerms } from './decide.ts';
import { MAX_TERMS } from './messages.ts';
import type { NodeSelectorRequirement, NodeSelectorTerm, PodPlacement } from './placement.ts';

/**
 * https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#syntax-and-character-set
 */
const MAX_LABEL_VALUE = 63;
const SHOWN = 40;

/**
 * Placeholders for parts that allow the same regions; they are shared, so that a reduced pod is
 * small.
 */
const OTHER_LABEL: NodeSelectorRequirement = { key: 'other', operator: 'Exists' };
const OTHER_FIELD: NodeSelectorRequirement = { key: 'metadata.name', operator: 'NotIn', values: [] };
const NO_NODE: NodeSelectorTerm = {};
const ONE_NODE: NodeSelectorTerm = { matchFields: [{ key: 'metadata.name', operator: 'In', values: [''] }] };
const TOO_MANY_TERMS = Array.from({ length: MAX_TERMS + 1 }, () => NO_NODE);
const TOO_MANY_NODES = Array.from({ length: MAX_TERMS + 1 }, () => ONE_NODE);
const DAEMON_SET = [{ apiVersion: 'apps/v1', kind: 'DaemonSet', name: '', uid: '', controller: true }];

/**
 * Reduces a pod to what `decideResidency` reads: the region in `nodeSelector`, the requirements of
 * each required term on the region and whether it has others, and whether an owner is a DaemonSet.
 * The rest of a pod may be a megabyte, and a cluster may have hundreds of such pods.
 *
 * The decision is the same, word for word, except for regions that are longer than a label can be.
 */
export const reducePlacement = (pod: PodPlacement): PodPlacement => {
  const shorten = createShortener();
  const region = regionOf(pod);
  const terms = reduceTerms(requiredTerms(pod), shorten);
  return {
    ...(pod.nodeName ? { nodeName: pod.nodeName } : {}),
    ...(region === undefined ? {} : { nodeSelector: { [REGION_LABEL]: shorten(region) } }),
    ...(terms.length === 0
      ? {}
      : { affinity: { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: terms } } } }),
    ...(isOwnedByDaemonSet(pod) ? { ownerReferences: DAEMON_SET } : {}),
  };
};

type Shortener = (value: string) => string;

/**
 * Creates a function that shortens regions longer than a label can be, which no node has. Equal
 * ones stay equal and different ones different, as requirements are compared with each other.
 */
const createShortener = (): Shortener => {
  const known = new Map<string, string>();
  return (value) => {
    if (value.length <= MAX_LABEL_VALUE) return value;
    const short = known.get(value) ?? `${value.slice(0, SHOWN).toWellFormed()}… (${known.size + 1})`;
    known.set(value, short);
    return short;
  };
};

const regionOf = ({ nodeSelector }: PodPlacement): string | undefined =>
  nodeSelector && Object.hasOwn(nodeSelector, REGION_LABEL) ? nodeSelector[REGION_LABEL] : undefined;

const reduceTerms = (terms: readonly (NodeSelectorTerm | null)[], shorten: Shortener): NodeSelectorTerm[] => {
  if (terms.every(isOneNode)) return terms.length > MAX_TERMS ? TOO_MANY_NODES : terms.map(() => ONE_NODE);
  return isTooLarge(terms) ? TOO_MANY_TERMS : terms.map((term) => reduceTerm(term, shorten));
};

const reduceTerm = (term: NodeSelectorTerm | null, shorten: Shortener): NodeSelectorTerm => {
  if (isOneNode(term)) return ONE_NODE;
  const { matchExpressions, matchFields } = partsOf(term);
  if (matchExpressions.length + matchFields.length === 0) return NO_NODE;
  const onRegion = matchExpressions
    .filter(({ key }) => key === REGION_LABEL)
    .map(({ key, operator, values }) => ({ key, operator, ...(values ? { values: values.map(shorten) } : {}) }));
  if (matchFields.length > 0) return { matchExpressions: onRegion, matchFields: [OTHER_FIELD] };
  return { matchExpressions: onRegion.length === 0 ? [OTHER_LABEL] : onRegion };
};
