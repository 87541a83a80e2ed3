import { diffTexts } from '../policies/revision-diff.ts';

interface DiffLine {
  readonly kind: 'same' | 'added' | 'removed' | 'gap';
  readonly text: string;
  /** Unique within the diff. */
  readonly key: string;
}

/** Changed lines with three around them; a gap stands for lines left out between two changes. */
export const diffLines = (before: string, after: string): readonly DiffLine[] => {
  // Without a limit, as a fix is of no use unless its change is shown.
  const hunks = diffTexts(before, after, Number.POSITIVE_INFINITY) ?? [];
  return hunks.flatMap(({ lines }, hunk) => [
    ...(hunk > 0 ? [{ kind: 'gap' as const, text: '…', key: `gap-${hunk}` }] : []),
    ...lines.map(({ kind, text }, index) => ({ kind, text, key: `${hunk}-${index}` })),
  ]);
};
