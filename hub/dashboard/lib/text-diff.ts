import type { PolicyRevision } from '@fso/shared/api';
import { structuredPatch } from 'diff';

/** Range of lines, from 1; `to` is included. */
export interface LineRange {
  readonly from: number;
  readonly to: number;
}

/** Line of a difference between two texts. */
export interface DiffLine {
  readonly kind: 'same' | 'removed' | 'added';
  readonly text: string;
  /** Line numbers within the document; undefined if that version lacks the line. */
  readonly before: number | undefined;
  readonly after: number | undefined;
}

/** Lines that changed, with context. */
export interface Hunk {
  readonly lines: readonly DiffLine[];
}

const CONTEXT_LINES = 3;
/** Time limit in milliseconds. Documents without anything in common are not worth a longer wait. */
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

/** @param timeout milliseconds @returns undefined if the comparison takes longer */
export const diffTexts = (before: string, after: string, timeout = MAX_MS): Hunk[] | undefined =>
  structuredPatch('', '', before, after, '', '', { context: CONTEXT_LINES, timeout })?.hunks.map(({ lines, oldStart, newStart }) => ({
    lines: linesOf(lines, oldStart, newStart),
  }));

/** Difference of a policy's text between two commits. */
export interface RevisionDiff {
  /** Undefined if the texts could not be compared. Empty if they are equal. */
  readonly hunks: readonly Hunk[] | undefined;
  readonly added: number;
  readonly removed: number;
  /** Previous path, if the document was moved. */
  readonly movedFrom: string | undefined;
  /** Whether the previous text of the document is unknown. */
  readonly isFirstKnown: boolean;
}

/**
 * Compares a revision with the one before it.
 *
 * @param before previous revision in the list, if there is one
 */
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

/** Returns a diff that replaces one text with the other, without looking for common lines. */
const replaced = (before: string, after: string): Pick<CompactDiffLine, 'kind' | 'text'>[] => [
  ...before.split('\n').map((text) => ({ kind: 'removed' as const, text })),
  ...after.split('\n').map((text) => ({ kind: 'added' as const, text })),
];

/**
 * Returns the changed lines with three lines of context. A gap stands for lines left out between
 * two changes. If the comparison takes too long, all lines count as changed.
 */
export const compactDiff = (before: string, after: string): readonly CompactDiffLine[] => {
  const hunks = diffTexts(before, after) ?? [{ lines: replaced(before, after) }];
  return hunks.flatMap(({ lines }, hunk) => [
    ...(hunk > 0 ? [{ kind: 'gap' as const, text: '…', key: `gap-${hunk}` }] : []),
    ...lines.map(({ kind, text }, index) => ({ kind, text, key: `${hunk}-${index}` })),
  ]);
};
