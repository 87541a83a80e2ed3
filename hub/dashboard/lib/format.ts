import type { CommitSummary, ProblemView } from '@fso/shared/api';

/** @returns `1,200` in any browser, since all other text is English */
export const formatNumber = (value: number): string => value.toLocaleString('en');

/** @returns `2 added, 1 removed`, or `none` */
export const formatChanges = ({ added, changed, removed }: CommitSummary['policies']): string => {
  const parts = [
    [added, 'added'],
    [changed, 'changed'],
    [removed, 'removed'],
  ] as const;
  const text = parts.filter(([count]) => count > 0).map(([count, word]) => `${formatNumber(count)} ${word}`);
  return text.length === 0 ? 'none changed' : text.join(', ');
};

/**
 * @returns `policies/finance.yaml:12:3`, as editors and compilers write it; empty for a problem
 * without a file
 */
export const formatPlace = ({ path, line, column }: Pick<ProblemView, 'path' | 'line' | 'column'>): string =>
  path === undefined ? '' : [path, line, column].filter((part) => part !== undefined).join(':');

/** @returns `policies/a.yaml:12:3: reason`; the reason alone for a problem without a file */
export const formatProblem = (problem: Pick<ProblemView, 'path' | 'line' | 'column' | 'reason'>): string => {
  const place = formatPlace(problem);
  return place === '' ? problem.reason : `${place}: ${problem.reason}`;
};

/** List that is partly shown. */
interface TruncatedList {
  readonly shown: readonly string[];
  /** Number of entries left out. Never 1, since the entry takes no more space than the count. */
  readonly hidden: number;
}

/** Shortens a list. If only one item is beyond `max`, it is shown as well. */
export const truncateList = (items: readonly string[], max: number): TruncatedList =>
  items.length <= max + 1 ? { shown: items, hidden: 0 } : { shown: items.slice(0, max), hidden: items.length - max };

/**
 * @param max most characters; the text is cut at the end of a word if there is one in the last
 * fifth
 */
export const truncateText = (text: string, max: number): string => {
  if (text.length <= max) return text;
  const head = text.slice(0, max);
  const space = head.lastIndexOf(' ');
  return `${head.slice(0, space > max * 0.8 ? space : max)}…`;
};
