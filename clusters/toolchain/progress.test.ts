import { expect, it } from 'vitest';
import { createTerminal, progressLine, ToolProgress } from './progress.ts';

it.each([
  ['building etcd', 0, 4000, 'building etcd: 0 % of the first start, 4 s so far'],
  ['building etcd', 0.02, 60_000, 'building etcd: 2 % of the first start, 60 s so far'],
  ['building kwok', 0.25, 60_000, 'building kwok: 25 % of the first start, about 3 min left'],
  ['building gatekeeper', 0.9, 270_000, 'building gatekeeper: 90 % of the first start, about 30 s left'],
  ['building gatekeeper', 1, 270_000, 'building gatekeeper: 99 % of the first start, about 5 s left'],
])('describes %s at %d after %d ms: %s', (what, share, elapsedMs, line) => {
  expect(progressLine(what, share, elapsedMs)).toBe(line);
});

it('has one share over all tools, which never decreases', () => {
  const progress = new ToolProgress({ log: () => {} });
  expect(progress.share).toBe(0);
  progress.expect('one', 100);
  progress.expect('other', 300);
  progress.begin('one', 'building');
  progress.advance('one', 60);
  expect(progress.share).toBe(0.15);
  progress.finish('one');
  expect(progress.share).toBe(0.25);
  progress.begin('other', 'downloading');
  progress.expect('other', 900);
  expect(progress.share).toBe(0.25);
  progress.begin('other', 'building');
  progress.expect('other', 100);
  progress.advance('other', 500);
  expect(progress.share).toBe(1);
  progress.end();
});

/** The lines that a terminal shows after these writes. */
const screen = (written: readonly string[]): string[] =>
  written
    .join('')
    .split('\n')
    .map((line) => line.split('\r\u001b[K').at(-1) ?? '');

it('rewrites one line of a terminal, below the lines that stay', () => {
  const written: string[] = [];
  const terminal = createTerminal({ isTTY: true, columns: 20, write: (text) => written.push(text) }, (line) => `> ${line}`);
  terminal.log('first');
  terminal.status?.('10 % of a long way, so long');
  expect(screen(written)).toEqual(['> first', '> 10 % of a long wa']);
  terminal.log('second');
  expect(screen(written)).toEqual(['> first', '> second', '> 10 % of a long wa']);
  terminal.status?.('20 %');
  expect(screen(written)).toEqual(['> first', '> second', '> 20 %']);
  terminal.status?.('');
  terminal.log('third');
  expect(screen(written)).toEqual(['> first', '> second', '> third', '']);
});

it('rewrites nothing if the output is not a terminal', () => {
  const terminal = createTerminal({ write: () => {} }, (line) => line);
  expect(terminal.status).toBeUndefined();
});
