import { REGION_LABEL } from '../api/index.ts';

/**
 * Most terms of a required node affinity that the locks judge. The cost of judging an affinity
 * grows with the square of its size, which Kubernetes' cost limit does not count: without a bound
 * of our own, a pod of a few hundred kilobytes would keep an API server busy for seconds.
 */
export const MAX_TERMS = 100;
/** Most requirements, on any label, in all terms of a pod that the locks judge. */
export const MAX_REQUIREMENTS = 1000;
/** Most region requirements and their values, added up, in all terms that the locks judge. */
export const MAX_REGION_VALUES = 500;

/**
 * Violations of a Binding, with the same texts in CEL and Rego. Checked in this order. CEL joins
 * those of the binder and the node; Rego names the first.
 */
export const BINDING_VIOLATIONS = {
  legacy: 'the legacy bindings route bypasses the bind gate',
  noNode: 'the binding does not name a node',
  binder: (user: string): string => `user "${user}" is not trusted to bind pods`,
  unknown: (node: string): string => `node "${node}" has no known region`,
  region: (node: string, region: string): string => `node "${node}" is in region "${region}"`,
} as const;

/** Fix of a refused Binding. */
export const BINDING_FIX = 'bind the pod through the scheduler to a node of an allowed region';

/**
 * Violations of a pod. The CEL and Rego implementations use the same texts, word for word, so each
 * is constant but for the name of the place (`spec.nodeSelector`, `required node affinity term 2`)
 * and the region.
 */
export const VIOLATION_TEXTS = {
  nodeName: 'spec.nodeName bypasses the scheduler',
  tooLarge: `the required node affinity is too large to be judged (over ${MAX_TERMS} terms, ${MAX_REQUIREMENTS} requirements or ${MAX_REGION_VALUES} regions)`,
  unconfined: 'nothing in the pod confines it to a region',
  region: (where: string, region: string): string => `${where} allows region "${region}"`,
  absent: (where: string): string => `${where} allows nodes without a region`,
  open: (where: string): string => `${where} does not confine the region`,
  byName: (where: string): string => `${where} selects a node by name, not by region`,
} as const;

/**
 * Longest list in a sentence, in characters. A message of an admission policy has 5 KiB and names
 * up to three lists: beyond that the API server returns none of it, and the agent, which proves
 * lock 1 by that message, would learn nothing.
 */
export const MAX_LISTED = 1300;
/** End of a list in a message that does not name all. */
export const MORE = ' and more';

const listed = (values: readonly string[]): string => {
  const text = values.toSorted((a, b) => (a < b ? -1 : 1)).join(', ');
  return text.length > MAX_LISTED ? `${text.slice(0, MAX_LISTED)}${MORE}` : text;
};

/** First step of the fix of violations that a nodeSelector alone does not correct. */
const FIRST_STEP: Readonly<Record<string, string>> = {
  [VIOLATION_TEXTS.nodeName]: 'remove spec.nodeName and ',
  [VIOLATION_TEXTS.tooLarge]: 'shorten the required node affinity and ',
};

/**
 * Describes how to confine a pod. A nodeSelector is ANDed with every affinity term, so it corrects
 * each kind of violation.
 */
export const fixText = (allowedRegions: readonly string[], violation = ''): string => {
  if (allowedRegions.length === 0) return 'no region is allowed, ask the owners of the policies';
  const set = `set spec.nodeSelector["${REGION_LABEL}"] to one of ${listed(allowedRegions)}`;
  return `${FIRST_STEP[violation] ?? ''}${set}`;
};

/** Parts of the text that explains a violation or refusal. */
export interface ViolationMessage {
  /** Key of each policy behind the decision. */
  readonly policies: readonly string[];
  readonly regions: readonly string[];
  readonly namespace: string;
  readonly violation: string;
  readonly fix: string;
}

/**
 * The whole sentence a person reads in a denial, a warning or a report. Every engine and every page
 * uses the form `policy finance-eu allows regions eu-west-1 in namespace finance: <violation>; fix:
 * <fix>`.
 */
export const violationMessage = ({ policies, regions, namespace, violation, fix }: ViolationMessage): string =>
  `policy ${listed(policies)} allows regions ${regions.length === 0 ? '(none)' : listed(regions)} in namespace ${namespace}: ${violation}; fix: ${fix}`;
