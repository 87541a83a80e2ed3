import { FLOOR_LABEL_VALUE, floorLabel, floorRegionsAnnotation, LIST_KEY_PREFIX } from '@fso/shared/api';
import { celString, type MatchCondition } from '../admission-policies.ts';
import { type CelVariable, plainlyInside } from './floor-cel.ts';

/** CEL: whether a name or glob matches a namespace, like `matchesNamespace` of shared/compile. */
const matches = (glob: string, name: string): string => `(
  ${glob}.startsWith('*') ? (
    ${glob}.endsWith('*') ? (${glob}.size() < 2 || ${name}.contains(${glob}.substring(1, ${glob}.size() - 1))) : ${name}.endsWith(${glob}.substring(1))
  ) :
  ${glob}.endsWith('*') ? ${name}.startsWith(${glob}.substring(0, ${glob}.size() - 1)) : ${glob} == ${name}
)`;

const NAMESPACE = 'request.namespace';
const LABELLED = `namespaceObject.metadata.?labels[?'${floorLabel('deny')}'].orValue('') == '${FLOOR_LABEL_VALUE}'`;
const ANNOTATED = `namespaceObject.metadata.?annotations[?'${floorRegionsAnnotation('deny')}'].orValue('')`;

const LISTED = `has(params.spec.namespaces) && ${NAMESPACE} in params.spec.namespaces`;
/** Regions of the namespace's entry; see {@link regionsOfEntry}. */
const LISTED_REGIONS = `[params.spec.namespaces[${NAMESPACE}].regions].map(r,
  r.startsWith(${celString(LIST_KEY_PREFIX)}) ? dyn(params.spec).?lists[?r].orValue(r) : r)[0]`;
const REACHED = `params.spec.?reach.orValue('') != '' && ${NAMESPACE}.matches(params.spec.reach)`;

/**
 * Skips namespaces that are not in the index, because no policy governs them, at the cost of one
 * expression.
 */
export const indexConditions: readonly MatchCondition[] = [{ name: 'in-index', expression: `(${LISTED}) || (${REACHED})` }];

/** Skips also pods that are plainly inside, at the same cost. */
export const podIndexConditions: readonly MatchCondition[] = [
  {
    name: 'in-index',
    expression: `${LISTED} ? !(${plainlyInside(LISTED_REGIONS)}) : (${REACHED})`,
  },
];

/**
 * Variables from the index's entry of a namespace for action deny. `differs`: the namespace's own
 * labels do not match the entry, because they are not written yet, were lost or changed. `unseen`:
 * globs of policies that match a namespace without an entry, which the agent has not seen yet.
 */
export const indexVariables: readonly CelVariable[] = [
  {
    name: 'entry',
    expression: `${LISTED} ? [params.spec.namespaces[${NAMESPACE}]] : []`,
  },
  { name: 'listed', expression: `variables.entry.size() > 0 ? ${LISTED_REGIONS} : ''` },
  { name: 'differs', expression: `variables.entry.size() > 0 && !(${LABELLED} && ${ANNOTATED} == variables.listed)` },
  {
    name: 'unseen',
    expression: `variables.entry.size() > 0 || !has(params.spec.patterns) ? [] : params.spec.patterns.filter(p,
      ${matches('p.pattern', NAMESPACE)} && !p.excluded.exists(e, ${matches('e', NAMESPACE)}))`,
  },
  { name: 'regions', expression: "variables.listed == '' ? [] : variables.listed.split(',')" },
  {
    name: 'policies',
    expression: `(variables.entry.size() > 0 ? variables.entry[0].policies : variables.unseen.map(p, p.policies).join(',')).replace(',', ', ')`,
  },
  { name: 'revisions', expression: "variables.entry.size() > 0 ? variables.entry[0].revisions.replace(',', ', ') : ''" },
];

const UNSEEN = 'is not set up yet';

/**
 * Restricts the decision of a concern to namespaces that {@link indexVariables} find.
 *
 * @param judged CEL expression: the request may be refused because its namespace is unseen
 */
export const indexed = (concern: readonly CelVariable[], judged: string): readonly CelVariable[] => [
  ...concern.map((variable) => (variable.name === 'violation' ? { ...variable, name: 'decided' } : variable)),
  {
    name: 'violation',
    expression: `variables.differs ? variables.decided : variables.unseen.size() > 0 && (${judged}) ? '${UNSEEN}' : ''`,
  },
];

/** CEL expression of a refusal's message if the index decides instead of the labels. */
export const indexMessage = (message: string): string => `variables.differs ? (${message}) :
  'namespace ' + ${NAMESPACE} + ' ${UNSEEN} for policy ' + variables.policies + ': try again in a moment'`;
