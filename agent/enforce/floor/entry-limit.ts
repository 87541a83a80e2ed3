import { byText } from '@fso/shared/encoding';
import { weakMemo } from '@fso/shared/runtime';

/** Keeps all entries if they fit, else the first ones in text order. */
export const keepFitting = <T extends object>(
  entries: readonly T[],
  most: number,
  bytes: number,
): { kept: readonly T[]; dropped: number; bytes: number } => {
  const all = entries.reduce((sum, entry) => sum + textOf(entry).length + 1, 0);
  if (entries.length <= most && all <= bytes) return { kept: entries, dropped: 0, bytes: all };
  let left = bytes;
  const sorted = [...entries].sort((a, b) => byText(textOf(a), textOf(b))).slice(0, most);
  const end = sorted.findIndex((entry) => {
    left -= textOf(entry).length + 1;
    return left < 0;
  });
  const kept = end === -1 ? sorted : sorted.slice(0, end);
  return { kept, dropped: entries.length - kept.length, bytes };
};

/** JSON of an entry. Its length is its size in bytes, as names, regions and keys are ASCII. */
export const textOf = weakMemo((entry: object): string => JSON.stringify(entry));
