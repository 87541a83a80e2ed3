import {
  FIELD_MANAGERS,
  FLOOR_ACTIONS,
  FLOOR_LABEL_VALUE,
  floorLabel,
  floorPoliciesAnnotation,
  floorRegionsAnnotation,
  floorRevisionsAnnotation,
  INJECTION_LABEL,
  INJECTION_LABEL_VALUE,
  LABELS,
  parsePolicyKey,
  policyKey,
} from '@fso/shared/api';
import { byText } from '@fso/shared/encoding';
import { NAMESPACE_KIND } from '@fso/shared/kube';
import { annotationList, firstThatFit, labelSafe, regionsLabel, timeLabel, timeText } from './labels.ts';
import type { Action, Governance, NamespaceGovernance, NamespaceInput, PolicyOutcome } from './types.ts';

type Values = Readonly<Record<string, string>>;
type Outcomes = ReadonlyMap<string, PolicyOutcome>;

/**
 * Value for a steering label that has to be inert but cannot be removed, as another writer owns it
 * too.
 */
const RELEASED = 'released';
const EXPIRED = 'expired';

/** The wanted annotations of a namespace, without the time of the change. */
interface DesiredValues {
  readonly annotations: Values;
  readonly policies: readonly string[];
  readonly reason: 'Govern' | 'Release';
}

/**
 * Plans one server-side apply for each namespace whose labels or annotations differ from the wanted
 * ones.
 *
 * Annotations hold exact values, and the labels follow from them. A namespace that no policy
 * governs any more keeps them as an audit trail, with `enforcement-action` `released` or `expired`
 * and without the keys that select it into the floor. `updated-at` changes only together with
 * another key.
 */
export const planNamespaces = (
  governance: Pick<Governance, 'namespaces' | 'policies'>,
  namespaces: readonly NamespaceInput[],
  now: Date,
  settled?: SettledNamespaces,
): Action[] =>
  namespaces.flatMap((namespace) => {
    const governed = governance.namespaces.get(namespace.name);
    const isSettled = settled?.namespaces.has(namespace) === true && settled.governance.get(namespace.name) === governed;
    return namespace.terminating || isSettled ? [] : planOne(namespace, governed, { outcomes: governance.policies, now });
  });

/**
 * Namespace objects that needed no write in the previous reconcile. Under the same governance they
 * still need none: the desired values follow from its policies, and a released namespace keeps its
 * values.
 */
export interface SettledNamespaces {
  readonly namespaces: ReadonlySet<NamespaceInput>;
  readonly governance: Governance['namespaces'];
}

const planOne = (
  namespace: NamespaceInput,
  governed: NamespaceGovernance | undefined,
  { outcomes, now }: { outcomes: Outcomes; now: Date },
): Action[] => {
  const desired = governed === undefined ? releasedValues(namespace, outcomes) : governedValues(governed, outcomes);
  return desired === undefined ? [] : planNamespace(namespace, desired, now);
};

const planNamespace = (namespace: NamespaceInput, desired: DesiredValues, now: Date): Action[] => {
  const drifted = hasDrifted(namespace);
  // Annotations of an action that does not govern have no effect. They are not compared, because an
  // apply cannot remove those that another writer owns too.
  const settled = sameValues(namespace.annotations, desired.annotations, Object.keys(desired.annotations));
  const labels = { ...labelsFor(desired.annotations), ...disarmed(namespace, desired.annotations, drifted) };
  if (settled && sameValues(namespace.labels, labels, LABEL_KEYS)) return [];
  const updatedAt = timeText(now);
  const body = {
    apiVersion: NAMESPACE_KIND.apiVersion,
    kind: NAMESPACE_KIND.kind,
    metadata: {
      name: namespace.name,
      labels: { ...labels, [LABELS.updatedAt]: timeLabel(updatedAt) },
      annotations: { ...desired.annotations, [LABELS.updatedAt]: updatedAt },
    },
  };
  return [
    {
      type: 'apply',
      key: `${NAMESPACE_KIND.kind}/${namespace.name}`,
      kind: NAMESPACE_KIND,
      body,
      fieldManager: FIELD_MANAGERS.namespaces,
      reason: drifted ? 'Drift' : desired.reason,
      policies: desired.policies,
    },
  ];
};

const governedValues = ({ actions, policies, injection }: NamespaceGovernance, outcomes: Outcomes): DesiredValues => {
  const strongest = FLOOR_ACTIONS.find((action) => actions[action] !== undefined);
  const leading = strongest === undefined ? { regions: customRegions(policies, outcomes), policies } : actions[strongest];
  const { namespace, name } = parsePolicyKey(leading?.policies[0] ?? '');
  const annotations: Record<string, string> = {
    [LABELS.allowedRegions]: annotationList(leading?.regions ?? []),
    [LABELS.policyName]: name,
    [LABELS.policyNamespace]: namespace,
    [LABELS.enforcementAction]: strongest ?? 'custom',
  };
  for (const action of FLOOR_ACTIONS) {
    const governed = actions[action];
    if (governed === undefined) continue;
    annotations[floorRegionsAnnotation(action)] = annotationList(governed.regions);
    annotations[floorPoliciesAnnotation(action)] = firstThatFit(governed.policies);
    annotations[floorRevisionsAnnotation(action)] = firstThatFit(governed.revisions);
  }
  if (injection === true) annotations[INJECTION_LABEL] = INJECTION_LABEL_VALUE;
  return { annotations, policies, reason: 'Govern' };
};

/** Regions that all policies allow, if only `custom` policies without a part in the floor match. */
const customRegions = (policies: readonly string[], outcomes: Outcomes): readonly string[] => {
  const lists = policies.map((key) => {
    const outcome = outcomes.get(key);
    return outcome?.kind === 'governing' ? outcome.regions : [];
  });
  return (lists[0] ?? []).filter((region) => lists.every((list) => list.includes(region)));
};

/**
 * Labels that select a namespace, each with the annotation that is present exactly if the label is.
 */
const STEERING: readonly { readonly label: string; readonly annotation: string; readonly value: string }[] = [
  ...FLOOR_ACTIONS.map((action) => ({ label: floorLabel(action), annotation: floorRegionsAnnotation(action), value: FLOOR_LABEL_VALUE })),
  { label: INJECTION_LABEL, annotation: INJECTION_LABEL, value: INJECTION_LABEL_VALUE },
];
const STEERING_VALUES: ReadonlyMap<string, string> = new Map(STEERING.map(({ label, value }) => [label, value]));

/** Keys of the audit trail, which a released namespace keeps. */
const TRAIL = [LABELS.allowedRegions, LABELS.policyName, LABELS.policyNamespace] as const;

const releasedValues = (namespace: NamespaceInput, outcomes: Outcomes): DesiredValues | undefined => {
  const { labels, annotations } = namespace;
  if (labels[LABELS.enforcementAction] === undefined && !STEERING.some(({ label }) => isActive(labels, label))) return undefined;
  const policies = formerPolicies(annotations);
  const trail = Object.fromEntries(TRAIL.map((key) => [key, annotations[key] ?? '']));
  return {
    annotations: { ...trail, [LABELS.enforcementAction]: endState(annotations, policies, outcomes) },
    policies,
    reason: 'Release',
  };
};

const endState = (annotations: Values, policies: readonly string[], outcomes: Outcomes): string => {
  const current = annotations[LABELS.enforcementAction];
  if (current === RELEASED || current === EXPIRED) return current;
  return policies.some((key) => outcomes.get(key)?.kind === 'expired') ? EXPIRED : RELEASED;
};

const formerPolicies = (annotations: Values): readonly string[] => {
  const named = policyKey({ namespace: annotations[LABELS.policyNamespace] ?? '', name: annotations[LABELS.policyName] ?? '' });
  const listed = FLOOR_ACTIONS.flatMap((action) => (annotations[floorPoliciesAnnotation(action)] ?? '').split(','));
  return [...new Set([named, ...listed])].filter((key) => key !== '' && key !== '/').sort(byText);
};

/** Derives the labels from a set of annotations. */
const labelsFor = (annotations: Values): Record<string, string> => {
  const labels: Record<string, string> = {
    [LABELS.allowedRegions]: regionsLabel(annotations[LABELS.allowedRegions] ?? ''),
    [LABELS.policyName]: labelSafe(annotations[LABELS.policyName] ?? ''),
    [LABELS.policyNamespace]: labelSafe(annotations[LABELS.policyNamespace] ?? ''),
    [LABELS.enforcementAction]: annotations[LABELS.enforcementAction] ?? '',
  };
  for (const { label, annotation, value } of STEERING) if (annotations[annotation] !== undefined) labels[label] = value;
  return labels;
};

const isActive = (labels: Values, label: string): boolean => labels[label] === STEERING_VALUES.get(label);

/**
 * Labels that select a namespace although no policy governs it. An apply removes a label that only
 * this field manager owns; one that another writer owns too gets an inert value instead.
 */
const disarmed = (namespace: NamespaceInput, annotations: Values, drifted: boolean): Record<string, string> =>
  Object.fromEntries(
    STEERING.filter(
      ({ label, annotation }) =>
        (drifted || namespace.held?.includes(label) === true) && isActive(namespace.labels, label) && annotations[annotation] === undefined,
    ).map(({ label }) => [label, RELEASED]),
  );

/**
 * Whether another writer changed labels or annotations: they are written together and no longer
 * match.
 */
const hasDrifted = ({ labels, annotations }: NamespaceInput): boolean => {
  if (!LABEL_KEYS.some((key) => labels[key] !== undefined) && !ANNOTATION_KEYS.some((key) => annotations[key] !== undefined)) return false;
  return !sameValues(labels, labelsFor(annotations), LABEL_KEYS) || !isWhole(annotations);
};

const isWhole = (annotations: Values): boolean => {
  if ([...TRAIL, LABELS.enforcementAction].some((key) => annotations[key] === undefined)) return false;
  const pairs = FLOOR_ACTIONS.filter((action) => annotations[floorRegionsAnnotation(action)] !== undefined);
  if (pairs.some((action) => annotations[floorPoliciesAnnotation(action)] === undefined)) return false;
  const [strongest] = pairs;
  return strongest === undefined || annotations[floorRegionsAnnotation(strongest)] === annotations[LABELS.allowedRegions];
};

const LABEL_KEYS: readonly string[] = [...TRAIL, LABELS.enforcementAction, ...STEERING.map(({ label }) => label)];
const ANNOTATION_KEYS: readonly string[] = [
  ...TRAIL,
  LABELS.enforcementAction,
  INJECTION_LABEL,
  ...FLOOR_ACTIONS.flatMap((action) => [floorRegionsAnnotation(action), floorPoliciesAnnotation(action), floorRevisionsAnnotation(action)]),
];

const sameValues = (actual: Values, wanted: Values, keys: readonly string[]): boolean =>
  keys.every((key) => inert(key, actual[key]) === inert(key, wanted[key]));

/** Treats a disarmed label as absent. */
const inert = (key: string, value: string | undefined): string | undefined =>
  STEERING_VALUES.has(key) && value !== STEERING_VALUES.get(key) ? undefined : value;
