import {
  KEY_PREFIX,
  type LabelSelector,
  type RolloutStrategySpec,
  type SovereignPolicyDocument,
  SYSTEM_NAMESPACE,
  WAVE_IN_TAG,
} from '../../api/index.ts';
import { type ValueProblem, valueProblem } from '../issue-text.ts';
import type { PolicyDocument } from '../paths.ts';
import type { ValuePath } from '../yaml/yaml-file.ts';
import { checkCatalog } from './check-catalog.ts';

/** Checks a document for problems that a schema cannot express and that need no other document. */
export const checkDocument = (document: PolicyDocument): readonly ValueProblem[] => {
  const common = [...checkNamespace(document), ...checkLabels(document.metadata.labels ?? {})];
  switch (document.kind) {
    case 'SovereignPolicy':
      return [
        ...common,
        ...checkAction(document),
        ...checkSelector(document.spec.placement?.clusterSelector, ['spec', 'placement', 'clusterSelector']),
      ];
    case 'PolicyScope':
      return [...common, ...checkSelector(document.spec.placement.clusterSelector, ['spec', 'placement', 'clusterSelector'])];
    case 'RolloutStrategy':
      return [
        ...common,
        ...document.spec.waves.flatMap(({ clusterSelector }, index) =>
          checkSelector(clusterSelector, ['spec', 'waves', index, 'clusterSelector']),
        ),
        ...repeatedWaves(document.spec.waves.map(({ name }) => name)),
        ...checkApprovals(document.spec),
      ];
    case 'RegionCatalog':
      return [...common, ...checkCatalog(document.spec)];
    case 'ManagedCluster':
    case 'RegionGroup':
      return common;
  }
};

const checkNamespace = ({ kind, metadata }: PolicyDocument): readonly ValueProblem[] => {
  if (metadata.namespace === undefined) return [];
  const path = ['metadata', 'namespace'];
  if (kind !== 'SovereignPolicy') return [{ ...valueProblem(path, `must not be set: a ${kind} is in no namespace`), part: 'key' }];
  const hint = 'policies from Git live there (the governed namespace is spec.targetNamespace)';
  return metadata.namespace === SYSTEM_NAMESPACE ? [] : [valueProblem(path, `must be ${SYSTEM_NAMESPACE}, or left out: ${hint}`)];
};

/**
 * Syntax of Kubernetes label keys and values. The API server of every cluster refuses a policy that
 * violates it.
 */
const LABEL_KEY = /^([a-z0-9]([-a-z0-9.]*[a-z0-9])?\/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/;
const LABEL_VALUE = /^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$/;

const checkLabels = (labels: Readonly<Record<string, string>>): readonly ValueProblem[] =>
  Object.entries(labels).flatMap(([key, text]) => {
    const path = ['metadata', 'labels', key];
    if (key.startsWith(KEY_PREFIX))
      return [{ ...valueProblem(path, `must not be set: ${KEY_PREFIX}* belongs to the operator`), part: 'key' as const }];
    if (!LABEL_KEY.test(key)) return [{ ...valueProblem(path, 'is not a Kubernetes label key'), part: 'key' as const }];
    return LABEL_VALUE.test(text) ? [] : [valueProblem(path, `must be a Kubernetes label value, is ${JSON.stringify(text)}`)];
  });

const checkAction = ({ spec }: SovereignPolicyDocument): readonly ValueProblem[] => {
  const scoped = spec.scopedEnforcementActions ?? [];
  if (spec.enforcementAction === 'custom') {
    return scoped.length > 0 ? [] : [valueProblem(['spec', 'enforcementAction'], 'custom needs spec.scopedEnforcementActions')];
  }
  if (spec.scopedEnforcementActions === undefined) return [];
  const reason = `needs enforcementAction custom, is ${spec.enforcementAction}`;
  return [{ ...valueProblem(['spec', 'scopedEnforcementActions'], reason), part: 'key' }];
};

/** metav1.LabelSelectorRequirement: In and NotIn need values, Exists and DoesNotExist have none. */
export const checkSelector = (selector: LabelSelector | undefined, at: ValuePath): readonly ValueProblem[] =>
  (selector?.matchExpressions ?? []).flatMap(({ operator, values = [] }, index) => {
    const path = [...at, 'matchExpressions', index];
    const wantsValues = operator === 'In' || operator === 'NotIn';
    if (wantsValues === values.length > 0) return [];
    return [
      valueProblem(path, wantsValues ? `needs values, the operator is ${operator}` : `must have no values, the operator is ${operator}`),
    ];
  });

const repeatedWaves = (names: readonly string[]): readonly ValueProblem[] =>
  names.flatMap((name, index) =>
    names.indexOf(name) === index
      ? []
      : [valueProblem(['spec', 'waves', index, 'name'], `is the name of wave ${names.indexOf(name) + 1} too`)],
  );

/**
 * Checks the waves that need an approval. An approval is a tag of an approver whose name contains
 * the name of the wave.
 */
const checkApprovals = ({ waves, approvers }: RolloutStrategySpec): readonly ValueProblem[] =>
  waves.flatMap(({ name, approval }, index) => {
    if (approval === undefined) return [];
    const path = ['spec', 'waves', index];
    const named = WAVE_IN_TAG.test(name)
      ? []
      : [
          valueProblem(
            [...path, 'name'],
            'is part of the names of tags: where approval is Required, it has lower case letters, digits and - only',
          ),
        ];
    return approvers === undefined ? [...named, valueProblem([...path, 'approval'], 'needs spec.approvers')] : named;
  });
