import type { PolicyRevision } from '@fso/shared/api';
import { structuredPatch } from 'diff';

/** Lines of a text, from 1, the last one included. */
export interface LineRange {
  readonly from: number;
  readonly to: number;
}

/** Line of a difference between two texts. */
export interface DiffLine {
  readonly kind: 'same' | 'removed' | 'added';
  readonly text: string;
  /** Line numbers within the document; undefined: it is not in that version. */
  readonly before: number | undefined;
  readonly after: number | undefined;
}

/** Lines that changed, with some around them. */
export interface Hunk {
  readonly lines: readonly DiffLine[];
}

const CONTEXT_LINES = 3;
/** Documents without anything in common are not worth a longer wait. */
const MAX_MS = 1000;

const KINDS: Readonly<Record<string, DiffLine['kind']>> = { ' ': 'same', '-': 'removed', '+': 'added' };

const linesOf = (patch: readonly string[], oldStart: number, newStart: number): DiffLine[] => {
  let before = oldStart;
  let after = newStart;
  return patch.flatMap((line): DiffLine[] => {
    const kind = KINDS[line.charAt(0)];
    // `\ No newline at end of file`
    if (kind === undefined) return [];
    return [
      {
        kind,
        text: line.slice(1),
        before: kind === 'added' ? undefined : before++,
        after: kind === 'removed' ? undefined : after++,
      },
    ];
  });
};

/** @param timeout in milliseconds @returns undefined: it takes longer to find out */
export const diffTexts = (before: string, after: string, timeout = MAX_MS): Hunk[] | undefined =>
  structuredPatch('', '', before, after, '', '', { context: CONTEXT_LINES, timeout })?.hunks.map(({ lines, oldStart, newStart }) => ({
    lines: linesOf(lines, oldStart, newStart),
  }));

/** Difference of a policy's text between two commits. */
export interface RevisionDiff {
  /** undefined: the texts could not be compared. Empty: the text is the same. */
  readonly hunks: readonly Hunk[] | undefined;
  readonly added: number;
  readonly removed: number;
  /** Path before, if the document came from another one. */
  readonly movedFrom: string | undefined;
  /** Whether it is not known how the document read before. */
  readonly isFirstKnown: boolean;
}

/** The changes of a revision. @param before the one before it in the list, if it is in the list */
export const diffRevision = (revision: PolicyRevision, before: PolicyRevision | undefined): RevisionDiff => {
  const hunks = diffTexts(before?.yaml ?? '', revision.yaml ?? '');
  const of = (kind: DiffLine['kind']): number => (hunks ?? []).flatMap(({ lines }) => lines).filter((line) => line.kind === kind).length;
  const moved = before !== undefined && before.yaml !== null && revision.yaml !== null && before.path !== revision.path;
  return {
    hunks,
    added: of('added'),
    removed: of('removed'),
    movedFrom: moved ? before.path : undefined,
    isFirstKnown: before === undefined && revision.change !== 'added',
  };
};

/** `Ada Lovelace <ada@example.com>` → `Ada Lovelace` */
export const authorName = (author: string): string => author.replace(/\s*<[^>]*>\s*$/, '') || author;

interface CompactDiffLine {
  readonly kind: 'same' | 'added' | 'removed' | 'gap';
  readonly text: string;
  /** Unique within the diff. */
  readonly key: string;
}

/** Replaces one text by the other, without looking for what they have in common. */
const replaced = (before: string, after: string): Pick<CompactDiffLine, 'kind' | 'text'>[] => [
  ...before.split('\n').map((text) => ({ kind: 'removed' as const, text })),
  ...after.split('\n').map((text) => ({ kind: 'added' as const, text })),
];

/**
 * Changed lines with three around them; a gap stands for lines left out between two changes. All
 * lines have changed where it takes too long to find out which.
 */
export const compactDiff = (before: string, after: string): readonly CompactDiffLine[] => {
  const hunks = diffTexts(before, after) ?? [{ lines: replaced(before, after) }];
  return hunks.flatMap(({ lines }, hunk) => [
    ...(hunk > 0 ? [{ kind: 'gap' as const, text: '…', key: `gap-${hunk}` }] : []),
    ...lines.map(({ kind, text }, index) => ({ kind, text, key: `${hunk}-${index}` })),
  ]);
};
