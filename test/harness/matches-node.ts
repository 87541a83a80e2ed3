import type { NodeSelectorRequirement, NodeSelectorTerm, PlacementSpec } from '@fso/shared/residency';

export interface LabelledNode {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
}

const OPERATORS: Readonly<Record<string, (value: string | undefined, values: readonly string[]) => boolean>> = {
  In: (value, values) => value !== undefined && values.includes(value),
  NotIn: (value, values) => value === undefined || !values.includes(value),
  Exists: (value) => value !== undefined,
  DoesNotExist: (value) => value === undefined,
  Gt: (value, [bound]) => Number(value ?? Number.NaN) > Number(bound),
  Lt: (value, [bound]) => Number(value ?? Number.NaN) < Number(bound),
};

const holds = ({ operator, values = [] }: NodeSelectorRequirement, value: string | undefined): boolean =>
  OPERATORS[operator]?.(value, values) ?? false;

const matchesTerm = ({ matchExpressions = [], matchFields = [] }: NodeSelectorTerm, { name, labels }: LabelledNode): boolean =>
  matchExpressions.length + matchFields.length > 0 &&
  matchExpressions.every((requirement) => holds(requirement, labels[requirement.key])) &&
  matchFields.every((requirement) => holds(requirement, name));

/**
 * Whether the required node constraints of a pod allow a node for the scheduler. `nodeName` is
 * ignored.
 */
export const matchesNode = ({ nodeSelector, affinity }: PlacementSpec, node: LabelledNode): boolean => {
  if (!Object.entries(nodeSelector ?? {}).every(([key, value]) => node.labels[key] === value)) return false;
  const required = affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution;
  return required == null || (required.nodeSelectorTerms ?? []).some((term) => matchesTerm(term, node));
};
