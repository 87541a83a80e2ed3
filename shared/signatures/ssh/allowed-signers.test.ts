import { describe, expect, it } from 'vitest';
import { makeKey } from '../../trust/testing/commits.ts';
import { parseAllowedSigners } from './allowed-signers.ts';

const { line } = makeKey();
const isForGit = (namespaces: string): boolean | undefined => parseAllowedSigners(`ana namespaces="${namespaces}" ${line}`)[0]?.forGit;

describe('the namespaces of an allowed signer', () => {
  it.each([
    ['git', true],
    ['*', true],
    ['g*', true],
    ['*t', true],
    ['g?t', true],
    ['*i*', true],
    ['g*i*t*', true],
    ['git?', false],
    ['g', false],
    ['it', false],
    ['gi.', false],
    ['file,git', true],
    ['!git,*', false],
    ['!file,*', true],
    ['!file', false],
  ])('are patterns: %s', (namespaces, expected) => {
    expect(isForGit(namespaces)).toBe(expected);
  });

  it('match in time linear in the pattern', () => {
    expect(isForGit(`${'*'.repeat(30_000)}x`)).toBe(false);
    expect(isForGit(`${'*?'.repeat(15_000)}`)).toBe(false);
  });
});
