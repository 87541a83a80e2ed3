import { describe, expect, it } from 'vitest';
import { Parser } from 'yaml';
import { DEFAULT_LIMITS } from '../types.ts';
import { checkTokens } from './yaml-tokens.ts';

const check = (text: string) => checkTokens([...new Parser().parse(text)], DEFAULT_LIMITS);

describe('checkTokens', () => {
  it('finds nothing in an ordinary file', () => {
    expect(check('a: [1, {b: c}]\nd:\n  - "*e"\n  - "&f" # &g *h !i\n---\n|\n  %YAML\n')).toEqual([]);
  });

  it('finds refused properties wherever they stand, in order', () => {
    const text = '- &a x\n- ? !t k\n  : [*a, {b: &c d}]\n';
    expect(check(text).map(({ offset, reason }) => text.slice(offset, offset + 2) + reason.slice(0, 7))).toEqual([
      '&aanchors',
      '!ttags (!',
      '*aaliases',
      '&canchors',
    ]);
  });

  it('walks any number of tokens without exhausting the stack', () => {
    expect(check(`a: [${','.repeat(200_000)}]`)).toEqual([]);
    expect(check('['.repeat(100_000))).toEqual([{ offset: 32, reason: 'nested deeper than 32 levels' }]);
  });
});
