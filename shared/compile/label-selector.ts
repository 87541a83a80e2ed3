import type { LabelSelector } from '../api/index.ts';

type Labels = Readonly<Record<string, string>>;
type Expression = NonNullable<LabelSelector['matchExpressions']>[number];

const labelOf = (labels: Labels, key: string): string | undefined => (Object.hasOwn(labels, key) ? labels[key] : undefined);

const matchesExpression = ({ key, operator, values = [] }: Expression, labels: Labels): boolean => {
  const value = labelOf(labels, key);
  switch (operator) {
    case 'In':
      return value !== undefined && values.includes(value);
    case 'NotIn':
      return value === undefined || !values.includes(value);
    case 'Exists':
      return value !== undefined;
    case 'DoesNotExist':
      return value === undefined;
  }
};

/** metav1.LabelSelector: every label and expression must hold; an empty selector selects everything; NotIn holds without the label. */
export const matchesSelector = (selector: LabelSelector, labels: Labels): boolean =>
  Object.entries(selector.matchLabels ?? {}).every(([key, value]) => labelOf(labels, key) === value) &&
  (selector.matchExpressions ?? []).every((expression) => matchesExpression(expression, labels));
