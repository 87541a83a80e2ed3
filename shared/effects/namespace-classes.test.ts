import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { NamespaceName } from '../api/index.ts';
import { matchesNamespace } from '../compile/index.ts';
import { byText } from '../encoding/index.ts';
import { namespaceClasses } from './namespace-classes.ts';

const text = fc.string({ unit: fc.constantFrom('a', 'b', '-'), minLength: 1, maxLength: 3 });
const pattern = fc
  .tuple(fc.constantFrom('', '*'), text, fc.constantFrom('', '*'))
  .map((parts) => parts.join(''))
  .filter((glob) => glob.includes('*') || NamespaceName.safeParse(glob).success);
const patterns = fc.array(fc.oneof({ weight: 9, arbitrary: pattern }, fc.constant('*')), { minLength: 1, maxLength: 8 });
const namespace = fc
  .string({ unit: fc.constantFrom('a', 'b', 'c', '-'), minLength: 1, maxLength: 9 })
  .filter((name) => NamespaceName.safeParse(name).success);

const matchedBy = (name: string, globs: readonly string[]): string =>
  [...new Set(globs)]
    .filter((glob) => matchesNamespace(glob, name))
    .sort(byText)
    .join(' ');

describe('namespaceClasses', () => {
  it('has exactly one class for each namespace that a pattern asks about', () => {
    fc.assert(
      fc.property(patterns, fc.nat(7), namespace, (all, count, name) => {
        const within = all.slice(0, 1 + (count % all.length));
        const { classes, isWhole } = namespaceClasses(within, all);
        expect(isWhole).toBe(true);
        const alike = classes.filter(({ example }) => matchedBy(example, all) === matchedBy(name, all));
        expect(alike.length).toBe(within.some((glob) => matchesNamespace(glob, name)) ? 1 : 0);
      }),
      { numRuns: 3000 },
    );
  });

  it('has an example of each pattern, which is a namespace', () => {
    fc.assert(
      fc.property(patterns, (all) => {
        for (const { pattern: named, example } of namespaceClasses(all, all).classes) {
          expect(NamespaceName.safeParse(example).success).toBe(true);
          const [beginning = '', ...rest] = named.split('*');
          expect([example.startsWith(beginning), example.endsWith(rest.at(-1) ?? beginning)]).toEqual([true, true]);
          for (const part of rest) expect(example).toContain(part);
        }
      }),
    );
  });

  it('names combinations of globs as a glob', () => {
    const { classes } = namespaceClasses(['team-*'], ['team-*', '*-dev', '*pay*', 'team-a', 'other', 'other-*']);
    expect(classes.map(({ pattern: named }) => named)).toEqual(['team-a', 'team-*', 'team-*-dev', 'team-*pay*', 'team-*pay*-dev']);
  });

  it('does not claim to be whole beyond its bound, nor where no example can be made', () => {
    const infixes = Array.from({ length: 40 }, (_, index) => `*${'abcdefgh'[index % 8]}${Math.floor(index / 8)}*`);
    expect(namespaceClasses(['*'], ['*', ...infixes]).isWhole).toBe(false);
    const taken = [...'abcdefghijklmnopqrstuvwxyz0123456789'].map((letter) => `*${letter}*`);
    expect(namespaceClasses(['*'], ['*', ...taken])).toEqual({ classes: [], isWhole: false });
    const long = [`${'a'.repeat(40)}*`, `*${'b'.repeat(20)}*`, `*${'c'.repeat(20)}`];
    expect(namespaceClasses(long, long).isWhole).toBe(false);
  });
});
