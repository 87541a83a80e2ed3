import type { PolicyRevision } from '@fso/shared/api';
import { expect, it } from 'vitest';
import { TIME } from '../pages/policies/testing/policy-reports.ts';
import { authorName, compactDiff, diffRevision, diffTexts } from './text-diff.ts';

const revision = (yaml: string | null, change: PolicyRevision['change'] = 'changed', path = 'policies/a.yaml'): PolicyRevision => ({
  commit: { revision: 'a1', author: 'Ada <ada@example.com>', subject: 'why', time: TIME },
  change,
  path,
  yaml,
});

const shown = (before: string, after: string): string[][] =>
  (diffTexts(before, after) ?? []).map(({ lines }) =>
    lines.map(({ kind, text, before: old, after: now }) => `${old ?? ''}|${now ?? ''} ${kind} ${text}`),
  );

it('shows added and removed lines, with numbers in both versions', () => {
  expect(shown('a\nb\nc\n', 'a\nB\nc\nd\n')).toEqual([['1|1 same a', '2| removed b', '|2 added B', '3|3 same c', '|4 added d']]);
  expect(shown('a\n', 'a\n')).toEqual([]);
  expect(shown('a', 'b')).toEqual([['1| removed a', '|1 added b']]);
});

it('leaves out what is far from any change', () => {
  const lines = Array.from({ length: 30 }, (_, index) => `line ${index}`);
  const changed = lines.map((line, index) => (index === 2 || index === 27 ? `${line}!` : line));
  expect(shown(lines.join('\n'), changed.join('\n')).map((hunk) => hunk.length)).toEqual([7, 7]);
});

it('shows texts that have too little in common as one in the place of the other', () => {
  const [before, after] = ['a', 'b'].map((letter) => Array.from({ length: 20_000 }, (_, line) => `${letter}${line}`));
  const lines = compactDiff(before?.join('\n') ?? '', after?.join('\n') ?? '');
  expect(lines.map(({ text }) => text)).toEqual([...(before ?? []), ...(after ?? [])]);
  expect(new Set(lines.map(({ key }) => key)).size).toBe(40_000);
});

it('compares a revision with the one before', () => {
  expect(diffRevision(revision('a\nb\n'), revision('a\n', 'added'))).toMatchObject({ added: 1, removed: 0, isFirstKnown: false });
  expect(diffRevision(revision('a\nb\n', 'added'), undefined)).toMatchObject({ added: 2, removed: 0, isFirstKnown: false });
  expect(diffRevision(revision('a\n'), undefined)).toMatchObject({ isFirstKnown: true });
  expect(diffRevision(revision(null, 'removed'), revision('a\nb\n'))).toMatchObject({ added: 0, removed: 2, movedFrom: undefined });
  expect(diffRevision(revision('a\n', 'added'), revision(null, 'removed', 'policies/b.yaml'))).toMatchObject({
    added: 1,
    movedFrom: undefined,
  });
});

it('reports when a document came from another file', () => {
  expect(diffRevision(revision('a\n', 'changed', 'policies/b.yaml'), revision('a\n'))).toMatchObject({
    hunks: [],
    movedFrom: 'policies/a.yaml',
  });
});

it('leaves the address of an author out', () => {
  expect(authorName('Ada Lovelace <ada@example.com>')).toBe('Ada Lovelace');
  expect(authorName('<ada@example.com>')).toBe('<ada@example.com>');
});
