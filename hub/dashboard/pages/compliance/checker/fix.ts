import type { KubeObject } from '@fso/shared/api';
import type { ValuePath } from '@fso/shared/decode/portable';
import {
  decideResidency,
  type NodeSelectorTerm,
  type PodPlacement,
  podTemplateOf,
  REGION_LABEL,
  regionReach,
  VIOLATION_TEXTS,
} from '@fso/shared/residency';
import { type Document, isCollection, isMap } from 'yaml';
import type { LineRange } from '../../../lib/text-diff.ts';
import type { RegionRule } from './decide.ts';
import type { Workload } from './workloads.ts';

const TERMS: readonly string[] = ['affinity', 'nodeAffinity', 'requiredDuringSchedulingIgnoredDuringExecution', 'nodeSelectorTerms'];
const SELECTED: readonly string[] = ['nodeSelector', REGION_LABEL];

const TERM = /^required node affinity term (\d+) /;

/** Returns the path in the pod spec of the cause of a violation. */
const findBlamedPath = (violation: string): ValuePath => {
  if (violation === VIOLATION_TEXTS.nodeName) return ['nodeName'];
  if (violation === VIOLATION_TEXTS.tooLarge) return TERMS;
  const term = TERM.exec(violation)?.[1];
  if (term !== undefined) return [...TERMS, Number(term) - 1];
  return violation === VIOLATION_TEXTS.unconfined ? [] : SELECTED;
};

/** Returns the lines of the pasted text that cause a violation. */
export const findBlamedLines = ({ document, podSpec }: Pick<Workload, 'document' | 'podSpec'>, violation: string): LineRange => {
  const path = findBlamedPath(violation);
  const lines = document.linesOf([...podSpec, ...path]);
  return path.length === 0 ? { from: lines.from, to: lines.from } : lines;
};

/** Change that confines a workload to one region. */
interface Fix {
  readonly region: string;
  /** Changes other than the nodeSelector, as sentences. */
  readonly also: readonly string[];
  /** Document before and after the change, in the same style; JSON if JSON was pasted. */
  readonly before: string;
  readonly after: string;
  /** Whether every rule admits the changed workload. */
  readonly isEnough: boolean;
}

interface FixWish {
  /** Region of the fix, one of {@link fixRegions}. */
  readonly region: string;
  readonly violation: string;
  readonly rules: readonly RegionRule[];
}

type Terms = readonly (NodeSelectorTerm | null)[];

const termsOf = ({ affinity }: PodPlacement): Terms =>
  affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms ?? [];

/** Whether a term has no requirements, and so matches no node. */
const isVoid = (term: NodeSelectorTerm | null): boolean => !term?.matchExpressions?.length && !term?.matchFields?.length;

const reaches = (term: NodeSelectorTerm | null, region: string): boolean => {
  const { any, values } = regionReach(term?.matchExpressions ?? []);
  return any || values.includes(region);
};

/** Whether a pod with a nodeSelector on the region could still run on a node. */
const isWithin = (placement: PodPlacement, region: string): boolean => {
  const terms = termsOf(placement).filter((term) => !isVoid(term));
  return terms.length === 0 || terms.some((term) => reaches(term, region));
};

/**
 * Returns the regions that the fix can choose from: those that all rules allow, else those that the
 * strongest refusing rule allows. Regions that the pod asks for already come first.
 */
export const fixRegions = (placement: PodPlacement, rules: readonly RegionRule[]): readonly string[] => {
  const [strongest, ...others] = rules;
  if (strongest === undefined) return [];
  const shared = strongest.regions.filter((region) => others.every(({ regions }) => regions.includes(region)));
  const all = shared.length > 0 ? shared : strongest.regions;
  const selected = placement.nodeSelector?.[REGION_LABEL];
  const rank = (region: string): number => (region === selected ? 0 : isWithin(placement, region) ? 1 : 2);
  return all.toSorted((a, b) => rank(a) - rank(b) || (a < b ? -1 : 1));
};

/** Changes a copy of the document so that the workload requires one allowed region. */
export const planFix = (workload: Workload, { region, violation, rules }: FixWish): Fix => {
  const document = workload.document.copy();
  const isJson = isCollection(document.contents) && document.contents.flow === true;
  const write = (): string => (isJson ? `${JSON.stringify(document.toJS(), null, 2)}\n` : document.toString({ lineWidth: 0 }));
  const before = write();
  const also = change(document, workload, region, violation);
  return { region, also, before, after: write(), isEnough: isAdmitted(document, workload, rules) };
};

const isAdmitted = (document: Document, { path }: Workload, rules: readonly RegionRule[]): boolean => {
  const whole: unknown = document.toJS();
  const object = path.reduce<unknown>((value, step) => Reflect.get(Object(value), step), whole) as Partial<KubeObject>;
  const placement = podTemplateOf({ ...object, metadata: object.metadata ?? { name: '' } });
  return placement !== undefined && rules.every(({ regions }) => decideResidency(placement, regions).admitted);
};

const change = (document: Document, { podSpec, placement }: Workload, region: string, violation: string): readonly string[] => {
  const also: string[] = [];
  // Also for a bound pod: a recreated one must not keep the scheduler's choice.
  if (document.deleteIn([...podSpec, 'nodeName'])) also.push('spec.nodeName is removed: the scheduler chooses the node');
  if (violation === VIOLATION_TEXTS.tooLarge) {
    removeTerms(document, podSpec);
    also.push('the required node affinity is removed: it is too large to be judged');
  } else if (!isWithin(placement, region)) {
    openTerms(document, podSpec, termsOf(placement));
    also.push('what the required node affinity says of the region is removed: no node could satisfy both');
  }
  selectRegion(document, podSpec, region);
  return also;
};

/** Sets the region in the nodeSelector. A missing or null selector becomes a map. */
const selectRegion = (document: Document, podSpec: ValuePath, region: string): void => {
  const path = [...podSpec, 'nodeSelector'];
  if (isMap(document.getIn(path, true))) document.setIn([...podSpec, ...SELECTED], region);
  else document.setIn(path, document.createNode({ [REGION_LABEL]: region }));
};

/**
 * Removes the region from every term, in reverse order so that removed terms do not shift the
 * remaining ones.
 */
const openTerms = (document: Document, podSpec: ValuePath, terms: Terms): void => {
  for (const [index, term] of [...terms.entries()].reverse()) openTerm(document, [...podSpec, ...TERMS, index], term);
  const left: unknown = document.getIn([...podSpec, ...TERMS], true);
  if (!isCollection(left) || left.items.length === 0) removeTerms(document, podSpec);
};

/**
 * Removes the region from a term. A term with nothing else is removed as a whole, because an empty
 * one matches no node.
 */
const openTerm = (document: Document, path: ValuePath, term: NodeSelectorTerm | null): void => {
  const expressions = term?.matchExpressions ?? [];
  const onRegion = [...expressions.entries()].filter(([, { key }]) => key === REGION_LABEL);
  if (onRegion.length === expressions.length && !term?.matchFields?.length) document.deleteIn(path);
  else for (const [at] of onRegion.reverse()) document.deleteIn([...path, 'matchExpressions', at]);
};

/** Removes the list of terms, and maps that are empty without it. */
const removeTerms = (document: Document, podSpec: ValuePath): void => {
  for (let length = TERMS.length; length > 0; length -= 1) {
    const path = [...podSpec, ...TERMS.slice(0, length)];
    const node: unknown = document.getIn(path, true);
    if (length < TERMS.length - 1 && isCollection(node) && node.items.length > 0) return;
    document.deleteIn(path);
  }
};
