import { structuredPatch } from 'diff';

export interface DiffLine {
  readonly kind: 'same' | 'added' | 'removed' | 'gap';
  readonly text: string;
  /** Unique within the diff. */
  readonly key: string;
}

const KINDS: Readonly<Record<string, DiffLine['kind']>> = { '+': 'added', '-': 'removed', ' ': 'same' };

/** Changed lines with three around them; a gap stands for lines left out between two changes. */
export const diffLines = (before: string, after: string): readonly DiffLine[] => {
  const { hunks } = structuredPatch('', '', before, after, '', '', { context: 3 });
  return hunks.flatMap(({ lines, newStart }, hunk) => [
    ...(hunk > 0 ? [{ kind: 'gap' as const, text: '…', key: `gap-${newStart}` }] : []),
    ...lines.flatMap((line, index) => {
      const kind = KINDS[line.charAt(0)];
      return kind === undefined ? [] : [{ kind, text: line.slice(1), key: `${hunk}-${index}` }];
    }),
  ]);
};
