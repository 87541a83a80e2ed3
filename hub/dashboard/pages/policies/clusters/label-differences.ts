import { FLOOR_ACTIONS, FLOOR_LABEL_VALUE, floorLabel, LABELS, type PolicyInCluster, type PolicyReport } from '@fso/shared/api';

/**
 * Label of a governed namespace that differs from the one that a single policy would write. If
 * several policies govern a namespace, its labels name the strongest action, and the regions that
 * all policies with that action allow.
 */
export interface LabelDifference {
  readonly key: string;
  readonly expected: string;
  /** Undefined if the label is missing. */
  readonly actual: string | undefined;
  /** otherPolicy: the labels are those of another policy that also governs the namespace. */
  readonly kind: 'missing' | 'otherPolicy' | 'differs';
}

/** Labels of one governed namespace in one cluster, with their differences. */
export interface LabelRow {
  readonly cluster: string;
  readonly fresh: boolean;
  readonly namespace: string;
  readonly labels: readonly (readonly [key: string, value: string])[];
  readonly differences: readonly LabelDifference[];
}

/**
 * https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#syntax-and-character-set
 */
const MAX_LABEL_VALUE = 63;
/** Length of the end of a shortened value: `-` and eight characters of a hash. */
const CUT_TAIL = 9;

/** Whether a label holds a text, or the beginning of a text that is too long for a label. */
const holds = (actual: string, expected: string): boolean => {
  if (expected.length <= MAX_LABEL_VALUE) return actual === expected;
  const head = expected.slice(0, MAX_LABEL_VALUE - CUT_TAIL).replace(/[^A-Za-z0-9]+$/, '');
  return actual.startsWith(`${head}-`) && actual.length === head.length + CUT_TAIL;
};

type LabelledPolicy = Pick<PolicyReport, 'namespace' | 'name' | 'enforcementAction' | 'effectiveRegions'>;

const byCodeUnit = (a: string, b: string): number => Number(a > b) - Number(a < b);

const expectedOf = ({ namespace, name, enforcementAction, effectiveRegions }: LabelledPolicy): [string, string][] => {
  const floor = FLOOR_ACTIONS.find((action) => action === enforcementAction);
  return [
    [LABELS.policyName, name],
    [LABELS.policyNamespace, namespace],
    [LABELS.allowedRegions, effectiveRegions.toSorted(byCodeUnit).join('_')],
    // The effect of a custom policy depends on its enforcement points, which no agent reports.
    ...(floor === undefined
      ? []
      : ([
          [LABELS.enforcementAction, floor],
          [floorLabel(floor), FLOOR_LABEL_VALUE],
        ] satisfies [string, string][])),
  ];
};

type Labels = Readonly<Record<string, string>>;

/** Compares the labels of a namespace with those that the policy alone would write. */
export const differencesOf = (policy: LabelledPolicy, labels: Labels): LabelDifference[] => {
  const expected = expectedOf(policy);
  const isOfOther = [LABELS.policyName, LABELS.policyNamespace].some((key) => {
    const said = expected.find(([name]) => name === key)?.[1] ?? '';
    const actual = labels[key];
    return actual !== undefined && !holds(actual, said);
  });
  return expected.flatMap(([key, value]): LabelDifference[] => {
    const actual = labels[key];
    if (actual === undefined) return [{ key, expected: value, actual, kind: 'missing' }];
    return holds(actual, value) ? [] : [{ key, expected: value, actual, kind: isOfOther ? 'otherPolicy' : 'differs' }];
  });
};

const rowsOf = ({ cluster, fresh, report }: PolicyInCluster): LabelRow[] =>
  report === null
    ? []
    : (report.namespaceLabels ?? []).map(({ namespace, labels }) => ({
        cluster,
        fresh,
        namespace,
        labels: Object.entries(labels).toSorted(([a], [b]) => byCodeUnit(a, b)),
        differences: differencesOf(report, labels),
      }));

export const labelRows = (clusters: readonly PolicyInCluster[]): LabelRow[] => clusters.flatMap(rowsOf);

export const filterLabelRows = (
  rows: readonly LabelRow[],
  { q = '', differs }: { q?: string | undefined; differs?: 'true' | undefined },
): LabelRow[] =>
  rows.filter(
    ({ cluster, namespace, differences }) =>
      `${cluster} ${namespace}`.toLowerCase().includes(q.toLowerCase()) && (differs === undefined || differences.length > 0),
  );
