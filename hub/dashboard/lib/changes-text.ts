import type { CommitSummary } from '@fso/shared/api';
import { formatNumber } from './format-number.ts';

/** @returns `2 added, 1 removed`; `none` */
export const changesText = ({ added, changed, removed }: CommitSummary['policies']): string => {
  const parts = [
    [added, 'added'],
    [changed, 'changed'],
    [removed, 'removed'],
  ] as const;
  const text = parts.filter(([count]) => count > 0).map(([count, word]) => `${formatNumber(count)} ${word}`);
  return text.length === 0 ? 'none changed' : text.join(', ');
};
