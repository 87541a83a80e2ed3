import {
  FLOOR_ACTIONS,
  type FloorParameters,
  floorPoliciesAnnotation,
  floorRegionsAnnotation,
  type KubeObject,
  regionsOfEntry,
  type SovereignPolicySpec,
} from '@fso/shared/api';
import { sortedSet } from '../compare.ts';
import { type Constraint, entriesOf, groupOf } from '../enforce/index.ts';

/** Objects that enforce policies in the cluster. */
export interface EnforcedState {
  readonly constraints: readonly Constraint[];
  readonly namespaces: readonly KubeObject[];
  readonly parameters: readonly FloorParameters[];
}

const listOf = (text: string | undefined): string[] => (text === undefined || text === '' ? [] : text.split(','));

const ofConstraint = (constraint: Constraint, key: string): SovereignPolicySpec[] =>
  entriesOf(constraint)
    .filter(({ name }) => name === key)
    .map(({ pattern }) => {
      const { regions, action, excludedNamespaces, scoped } = groupOf(constraint);
      return {
        targetNamespace: pattern,
        allowedRegions: [...regions],
        enforcementAction: action === 'scoped' ? 'custom' : action,
        excludedNamespaces: [...excludedNamespaces],
        ...(scoped.length > 0 && { scopedEnforcementActions: scoped }),
      } as SovereignPolicySpec;
    });

const ofNamespace = ({ metadata: { name, annotations } }: KubeObject, key: string): SovereignPolicySpec[] =>
  FLOOR_ACTIONS.filter((action) => listOf(annotations?.[floorPoliciesAnnotation(action)]).includes(key)).map((enforcementAction) => ({
    targetNamespace: name,
    allowedRegions: listOf(annotations?.[floorRegionsAnnotation(enforcementAction)]),
    enforcementAction,
  }));

const ofIndex = ({ spec }: FloorParameters, key: string): SovereignPolicySpec[] =>
  Object.entries(spec?.namespaces ?? {})
    .filter(([, { policies }]) => listOf(policies).includes(key))
    .map(([targetNamespace, entry]) => ({
      targetNamespace,
      allowedRegions: listOf(regionsOfEntry(spec ?? {}, entry)),
      enforcementAction: 'deny',
    }));

/**
 * Recovers specs from globs of the index. A glob has no regions of its own; the regions that its
 * namespaces allow are a subset of the policy's.
 */
const ofGlobs = ({ spec }: FloorParameters, key: string, allowedRegions: string[]): SovereignPolicySpec[] =>
  (spec?.patterns ?? [])
    .filter(({ policies }) => listOf(policies).includes(key))
    .map(({ pattern, excluded }) => ({
      targetNamespace: pattern,
      allowedRegions,
      enforcementAction: 'deny',
      excludedNamespaces: [...(excluded ?? [])],
    }));

/**
 * Recovers the specs of a policy from the objects that enforce it. A constraint has the whole spec.
 * Otherwise namespace annotations and the index of lock 1 are used, whose regions are those that
 * all policies of the namespace allow.
 *
 * @returns no spec if nothing enforces the policy
 */
export const recoverSpecs = (key: string, { constraints, namespaces, parameters }: EnforcedState): readonly SovereignPolicySpec[] => {
  const whole = constraints.flatMap((constraint) => ofConstraint(constraint, key));
  if (whole.length > 0) return whole;
  const named = [
    ...namespaces.flatMap((namespace) => ofNamespace(namespace, key)),
    ...parameters.flatMap((object) => ofIndex(object, key)),
  ];
  const regions = sortedSet(named.flatMap(({ allowedRegions }) => allowedRegions));
  return [...named, ...parameters.flatMap((object) => ofGlobs(object, key, regions))];
};
