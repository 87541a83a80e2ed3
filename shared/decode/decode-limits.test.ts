import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeFiles } from './decode.ts';
import { policyFile, problemLines, problemsOf } from './testing/decoded.ts';

const policy = (spec: string): string =>
  `apiVersion: compliance.federated.io/v1\nkind: SovereignPolicy\nmetadata:\n  name: p\nspec:\n${spec}`;
const GOOD = '  targetNamespace: finance\n  allowedRegions: [eu-west-1]\n';
const at = (text: string, path = 'policies/p.yaml') => ({ path, text });

describe('decodeFiles on hostile input', () => {
  it('keeps its limits', () => {
    const lines = (text: string, limits = {}) => {
      const result = decodeFiles([at(text)], limits);
      return result.ok ? [] : problemLines(result.problems);
    };
    expect(lines(`# ${'ä'.repeat(200_000)}`)).toEqual(['policies/p.yaml:1:1: the file has 400002 bytes, the limit is 262144']);
    expect(lines(`a: ${'['.repeat(33)}${']'.repeat(33)}`)).toEqual(['policies/p.yaml:1:35: nested deeper than 32 levels']);
    expect(lines(`a: {${Array.from({ length: 2001 }, (_, n) => `k${n}: 1`).join(', ')}}`)).toEqual([
      'policies/p.yaml:1:4: a collection with 2001 entries, the limit is 2000',
    ]);
    expect(lines('---\n'.repeat(5) + policy(GOOD), { maxDocumentsPerFile: 3 })[0]).toContain('documents, the limit is 3');
    expect(lines('kind: X\n---\n'.repeat(9), { maxProblems: 2 }).at(-1)).toBe(
      '.:1:1: there are more than 2 problems, the others are not listed',
    );
    expect(decodeFiles([policyFile('a'), policyFile('b')], { maxFiles: 1 })).toMatchObject({ ok: false });
  });

  it('stands bombs of every shape', () => {
    const laughs = `a0: &a0 [x]\n${Array.from({ length: 30 }, (_, n) => `a${n + 1}: &a${n + 1} [*a${n}, *a${n}, *a${n}]`).join('\n')}`;
    for (const text of [
      laughs,
      '['.repeat(30_000),
      '- '.repeat(30_000),
      '? '.repeat(30_000),
      '{a: '.repeat(30_000),
      `"${'\\'.repeat(200_000)}`,
    ]) {
      expect(problemsOf(at(text)).length).toBeGreaterThan(0);
    }
  });

  it('never throws on any text', () => {
    const fragments = fc.constantFrom(
      'a',
      ':',
      ' ',
      '\n',
      '-',
      '- ',
      '[',
      ']',
      '{',
      '}',
      '"',
      "'",
      '|',
      '>',
      '&a',
      '*a',
      '!',
      '%',
      '---\n',
      '?',
      '<<',
      '\t',
      '\u0000',
      '#',
    );
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.array(fragments, { maxLength: 40 }).map((parts) => parts.join('')),
        ),
        (text) => {
          expect(typeof decodeFiles([at(text), at(policy(text), 'policies/q.yaml')]).ok).toBe('boolean');
        },
      ),
      { numRuns: 500 },
    );
  });
});
