import { type ClusterProcessing, MAX_PROCESSING_ROWS, type ProcessingRow } from '@fso/shared/api';
import { byText } from '@fso/shared/encoding';
import type { Locate, Located } from '@fso/shared/protocol';
import type { NodeJudgement } from '@fso/shared/regions';
import type { ClusterView, Pod } from '../cache/index.ts';
import type { Governance } from '../enforce/index.ts';
import type { Observatory } from './observatory.ts';
import { isFinished } from './stray-pods.ts';

/** Policies, pods and nodes for counting countries of processing. */
export interface ProcessingInput {
  readonly governance: Pick<Governance, 'policies'>;
  podsIn(namespace: string): Iterable<Pod>;
  /** Judges where a node is; undefined if the node is unknown. */
  judgementOf(node: string): NodeJudgement | undefined;
}

/** Most policies that a row names. */
const NAMED_POLICIES = 20;

/** Groups policies by the namespaces that they govern. */
const governedNamespaces = (policies: Governance['policies']): Map<string, string[]> => {
  const governed = new Map<string, string[]>();
  for (const [policy, outcome] of policies) {
    for (const namespace of outcome.kind === 'governing' ? outcome.namespaces : []) {
      const known = governed.get(namespace);
      if (known === undefined) governed.set(namespace, [policy]);
      else known.push(policy);
    }
  }
  return governed;
};

type Place = Pick<ProcessingRow, 'country' | 'provider' | 'region'>;

const UNKNOWN: Place = { country: null, provider: null, region: '' };

const placeOf = (judgement: NodeJudgement | undefined): Place => {
  // Claims of a disputed node do not count.
  if (judgement === undefined || judgement.verdict === 'disputed') return UNKNOWN;
  return { country: judgement.country ?? null, provider: judgement.provider ?? null, region: judgement.region ?? '' };
};

/** Counts the running pods of one namespace by place. */
const placesOf = (pods: Iterable<Pod>, judgementOf: ProcessingInput['judgementOf']): (Place & { readonly pods: number })[] => {
  const counts = new Map<string, Place & { pods: number }>();
  for (const pod of pods) {
    const { nodeName } = pod.spec;
    if (!nodeName || isFinished(pod)) continue;
    const place = placeOf(judgementOf(nodeName));
    const key = `${place.provider ?? ''}/${place.region}/${place.country ?? ''}`;
    const known = counts.get(key);
    if (known === undefined) counts.set(key, { ...place, pods: 1 });
    else known.pods += 1;
  }
  return [...counts].sort(([a], [b]) => byText(a, b)).map(([, place]) => place);
};

/** Finds the countries in which the pods of each governed namespace run. */
export const findProcessing = ({ governance, podsIn, judgementOf }: ProcessingInput): ClusterProcessing => {
  const governed = [...governedNamespaces(governance.policies)].sort(([a], [b]) => byText(a, b));
  const rows = governed.flatMap(([namespace, policies]) => {
    const named = policies.toSorted(byText).slice(0, NAMED_POLICIES);
    return placesOf(podsIn(namespace), judgementOf).map((place): ProcessingRow => ({ namespace, policies: named, ...place }));
  });
  return { rows: rows.slice(0, MAX_PROCESSING_ROWS), omitted: Math.max(0, rows.length - MAX_PROCESSING_ROWS) };
};

/** Applies {@link findProcessing} to the current state of the cluster. */
export const locatePods = (governance: ProcessingInput['governance'], view: Pick<ClusterView, 'podsIn' | 'places'>): ClusterProcessing => {
  const { byName } = view.places;
  return findProcessing({ governance, podsIn: (namespace) => view.podsIn(namespace), judgementOf: (name) => byName.get(name) });
};

/** Answers the hub's question of where pods run; null while the cluster is not observed. */
export const locatedFrame = ({ id }: Locate, observatory: Pick<Observatory, 'ages' | 'snapshot'>): Located => {
  const locate = observatory.ages().outOfDate.length === 0 ? observatory.snapshot().locate : undefined;
  return { type: 'located', id, processing: locate?.() ?? null };
};
