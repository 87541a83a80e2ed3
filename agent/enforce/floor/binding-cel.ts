import { REGION_LABEL, ZONE_LABEL } from '@fso/shared/api';
import { BINDING_FIX as FIX, BINDING_VIOLATIONS as VIOLATION_TEXTS } from '@fso/shared/residency';
import { celList, celString } from '../admission-policies.ts';
import { EVERY_REGION } from '../types.ts';
import type { CelVariable } from './floor-cel.ts';

/**
 * Source from which the bind gate gets the region of a node. `label`: the Binding, to which an API
 * server from 1.35 on copies it from the node (https://kep.k8s.io/4742). `list`: the agent's list
 * of nodes.
 */
export type BindGateMode = 'label' | 'list';

/**
 * Builds a CEL expression that inserts CEL values into a text: `node "` + variables.node + `" has
 * no known region`.
 */
const textWith = (text: (...marks: string[]) => string, ...values: readonly string[]): string => {
  const marks = values.map((_, index) => `\u0000${index}\u0000`);
  const parts = text(...marks).split('\u0000');
  return parts.map((part, index) => (index % 2 === 0 ? celString(part) : (values[Number(part)] ?? "''"))).join(' + ');
};

/**
 * Variables of the bind gate. They read `regions`, and `params.spec.nodes` if the object has it;
 * the last one is `violation`.
 *
 * @param binders user names that may bind pods
 */
export const bindingVariables = (mode: BindGateMode, binders: readonly string[]): readonly CelVariable[] => [
  { name: 'node', expression: "object.target.?name.orValue('')" },
  {
    name: 'known',
    expression: 'has(params.spec.nodes) && variables.node in params.spec.nodes ? [params.spec.nodes[variables.node]] : []',
  },
  ...(mode === 'label' ? [{ name: 'labelled', expression: labelOf(REGION_LABEL) }] : []),
  { name: 'placed', expression: PLACED[mode] },
  {
    name: 'region',
    expression: `variables.placed in ${listIn('disputedRegions')} || ${celString(EVERY_REGION)} in ${listIn('disputedRegions')} ? '' : variables.placed`,
  },
  {
    name: 'ofBinder',
    expression: `request.userInfo.username in ${celList(binders)} ? '' : ${textWith(VIOLATION_TEXTS.binder, 'request.userInfo.username')}`,
  },
  {
    name: 'ofNode',
    expression: `variables.region == '' ? ${textWith(VIOLATION_TEXTS.unknown, 'variables.node')} :
      variables.region in variables.regions ? '' : ${textWith(VIOLATION_TEXTS.region, 'variables.node', 'variables.region')}`,
  },
  // Names both, so that a refusal of the agent's own dry run proves that the gate judges both.
  {
    name: 'violation',
    expression: `request.resource.resource == 'bindings' ? ${celString(VIOLATION_TEXTS.legacy)} :
      object.target.?kind.orValue('') != 'Node' ? ${celString(VIOLATION_TEXTS.noNode)} :
      [variables.ofBinder, variables.ofNode].filter(text, text != '').join(', ')`,
  },
];

/**
 * CEL of a parameter list that may be absent. Wrapped in `dyn`: while a schema is new, the API
 * server may check types against the older one, and does not repeat the check.
 */
const listIn = (name: 'disputedRegions' | 'zones'): string => `dyn(params.spec).?${name}.orValue([])`;

const labelOf = (key: string): string => `object.metadata.?labels[?'${key}'].orValue('')`;

/**
 * The API server copies the labels that a node has; for one that it lacks, the Binding keeps the
 * value it came with. So a listed node must also be listed in an allowed region. An unlisted node
 * is new. A zone in another country than its region counts as the region from the first Binding on.
 *
 * A Binding without the region has none, even if the node is listed: the node may have been
 * recreated without one. For an API server that could copy the label but does not, the mode has to
 * be `list` (FSO_BIND_GATE).
 */
const BY_LABEL = `variables.labelled != '' && ${labelOf(ZONE_LABEL)} in ${listIn('zones')} ?
  ${labelOf(ZONE_LABEL)} : variables.labelled`;
const PLACED: Readonly<Record<BindGateMode, string>> = {
  label: `variables.labelled != '' && variables.known.size() > 0 && !(variables.known[0] in variables.regions) ? variables.known[0] : (${BY_LABEL})`,
  list: "variables.known.size() > 0 ? variables.known[0] : ''",
};

/** CEL literal: the fix that the message of a refused Binding proposes. */
export const BINDING_FIX: string = celString(FIX);
