import type { LineRange } from './text-diff.ts';

/** Selects lines in a text field and scrolls to them. */
export const showLines = (field: HTMLTextAreaElement, lines: readonly string[], { from, to }: LineRange): void => {
  const startOf = (line: number): number => lines.slice(0, line - 1).reduce((sum, text) => sum + text.length + 1, 0);
  field.focus();
  field.setSelectionRange(startOf(from), startOf(to) + (lines[to - 1]?.length ?? 0));
  field.scrollTop = (field.scrollHeight / Math.max(1, lines.length)) * Math.max(0, from - 4);
};
