import { expect, it } from 'vitest';
import { readChoice, readCount, readCounts, readOptions, readShare, UsageError } from './options.ts';

it('reads shares as fractions and in percent', () => {
  expect(readShare('stalled', '10%')).toBe(0.1);
  expect(readShare('stalled', '0.1')).toBe(0.1);
  expect(readShare('stalled', '0')).toBe(0);
  for (const text of ['', '10', '-1%', 'half', '101%', '1.5']) expect(() => readShare('stalled', text)).toThrow(UsageError);
});

it('reads whole numbers, and lists of them in ascending order', () => {
  expect(readCount('agents', '250')).toBe(250);
  expect(readCounts('agents', '1000, 250,250')).toEqual([250, 1000]);
  for (const text of ['', '0', '1.5', '-3', 'many', '1e3']) expect(() => readCount('agents', text)).toThrow(UsageError);
  expect(readCount('scopes', '0', 0)).toBe(0);
});

it('lists the accepted words and options', () => {
  expect(readChoice('database', 'postgres', ['embedded', 'postgres'])).toBe('postgres');
  expect(() => readChoice('database', 'mysql', ['embedded', 'postgres'])).toThrow('--database mysql: must be one of embedded, postgres');
  expect(readOptions(['--agents', '3'], { agents: { type: 'string', default: '1' } })).toEqual({ agents: '3' });
  expect(() => readOptions(['--agent', '3'], { agents: { type: 'string' } })).toThrow('there are: --agents');
});
