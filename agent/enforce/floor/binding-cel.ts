import { REGION_LABEL } from '@fso/shared/api';
import { BINDING_FIX as FIX, BINDING_VIOLATIONS as VIOLATIONS } from '@fso/shared/residency';
import { celList, celString } from '../admission-policies.ts';
import type { CelVariable } from './floor-cel.ts';

/**
 * How the bind gate learns the region of a node. `label`: from the Binding itself, to which an API server from 1.35 on
 * copies it from the node (https://kep.k8s.io/4742). `list`: from what the agent knows of the nodes.
 */
export type BindGateMode = 'label' | 'list';

/** A text of ours around a value that CEL has: `node "` + variables.node + `" has no known region`. */
const around = (text: (...marks: string[]) => string, ...values: readonly string[]): string => {
  const marks = values.map((_, index) => `\u0000${index}\u0000`);
  const parts = text(...marks).split('\u0000');
  return parts.map((part, index) => (index % 2 === 0 ? celString(part) : (values[Number(part)] ?? "''"))).join(' + ');
};

/** Reads `regions`, and `params.spec.nodes` where the object has it; ends in `violation`. */
export const bindingVariables = (mode: BindGateMode, binders: readonly string[]): readonly CelVariable[] => [
  { name: 'node', expression: "object.target.?name.orValue('')" },
  {
    name: 'known',
    expression: 'has(params.spec.nodes) && variables.node in params.spec.nodes ? [params.spec.nodes[variables.node]] : []',
  },
  { name: 'region', expression: REGION[mode] },
  {
    name: 'violation',
    expression: `request.resource.resource == 'bindings' ? ${celString(VIOLATIONS.legacy)} :
      object.target.?kind.orValue('') != 'Node' ? ${celString(VIOLATIONS.noNode)} :
      !(request.userInfo.username in ${celList(binders)}) ? ${around(VIOLATIONS.binder, 'request.userInfo.username')} :
      variables.region == '' ? ${around(VIOLATIONS.unknown, 'variables.node')} :
      variables.region in variables.regions ? '' : ${around(VIOLATIONS.region, 'variables.node', 'variables.region')}`,
  },
];

/**
 * The API server sets the label from a node that has one, and leaves one that came with the Binding alone where it has
 * none: so a node that is listed must be listed in an allowed region too. One that is not listed yet is new.
 *
 * No label is no region, whatever the list says: the node of a listed name may have been created again without one. Where the API server
 * does not set the label although its version could, the mode is `list` (FSO_BIND_GATE).
 */
const LABELLED = `object.metadata.?labels[?'${REGION_LABEL}'].orValue('')`;
const REGION: Readonly<Record<BindGateMode, string>> = {
  label: `${LABELLED} != '' && variables.known.size() > 0 && !(variables.known[0] in variables.regions) ? variables.known[0] : ${LABELLED}`,
  list: "variables.known.size() > 0 ? variables.known[0] : ''",
};

export const BINDING_FIX: string = celString(FIX);
