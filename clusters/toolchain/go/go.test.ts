import { expect, it } from 'vitest';
import { makeTemporaryFolder } from '../../../test/harness/temporary-folder.ts';
import { assertGo, atLeast, goProblem } from './go.ts';

it.each([
  ['go1.26.8', '1.26.0', true],
  ['go1.26', '1.26.0', true],
  ['go1.9', '1.26.0', false],
  ['go1.26.0', '1.26.1', false],
  ['go2.0', '1.26.0', true],
])('%s is at least %s: %s', (version, wanted, expected) => {
  expect(atLeast(version, wanted)).toBe(expected);
});

it('accepts an older Go that may fetch the toolchain itself, and no other', () => {
  expect(goProblem('go1.22.1', 'auto', '1.26.0')).toBeUndefined();
  expect(goProblem('go1.22.1', 'local', '1.26.0')).toContain('GOTOOLCHAIN=local');
  expect(goProblem('go1.20.3', 'auto', '1.26.0')).toContain('Go 1.26.0 or newer is needed');
});

it('explains how to install Go if there is none', async () => {
  const empty = makeTemporaryFolder('path');
  await expect(assertGo('1.26.0', { PATH: empty })).rejects.toThrow(/no `go` was found on PATH.*go\.dev\/dl/);
});
