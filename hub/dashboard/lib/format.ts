import type { CommitSummary, ProblemView } from '@fso/shared/api';

/** @returns `1,200`, whatever the language of the browser: all other text is English */
export const formatNumber = (value: number): string => value.toLocaleString('en');

/** @returns `2 added, 1 removed`; `none` */
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
 * @returns `policies/finance.yaml:12:3`, as editors and compilers write it; `` where it is of no
 * file
 */
export const formatPlace = ({ path, line, column }: Pick<ProblemView, 'path' | 'line' | 'column'>): string =>
  path === undefined ? '' : [path, line, column].filter((part) => part !== undefined).join(':');

/** @returns `policies/a.yaml:12:3: reason`; the reason alone where it is of no file */
export const formatProblem = (problem: Pick<ProblemView, 'path' | 'line' | 'column' | 'reason'>): string => {
  const place = formatPlace(problem);
  return place === '' ? problem.reason : `${place}: ${problem.reason}`;
};

/** A list that is shown in part. */
interface TruncatedList {
  readonly shown: readonly string[];
  /** Number of entries left out: never one alone, as it takes no more room than its count. */
  readonly hidden: number;
}

/** Shortens a list; one item more than `max` is shown rather than counted. */
export const truncateList = (items: readonly string[], max: number): TruncatedList =>
  items.length <= max + 1 ? { shown: items, hidden: 0 } : { shown: items.slice(0, max), hidden: items.length - max };

/** @param max characters; cut at the end of a word where there is one in the last fifth */
export const truncateText = (text: string, max: number): string => {
  if (text.length <= max) return text;
  const head = text.slice(0, max);
  const space = head.lastIndexOf(' ');
  return `${head.slice(0, space > max * 0.8 ? space : max)}…`;
};
