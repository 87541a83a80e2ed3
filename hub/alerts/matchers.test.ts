import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MATCHED_LABELS, matchesAll, matchesText, parseMatcher } from './matchers.ts';

const matches = (text: string, value: string): boolean => matchesText(parseMatcher(text), value);

describe('a matcher', () => {
  it.each([
    ['severity="critical"', 'critical', true],
    ['severity=critical', 'critical', true],
    ['severity != "info"', 'info', false],
    ['cluster=~"eu-.*"', 'eu-1', true],
    ['cluster=~"eu-.*"', 'neu-1', false],
    ['cluster=~"eu-.*|us-1"', 'us-1', true],
    ['cluster!~"eu-.*|us-1"', 'us-1', false],
    ['cluster=~"eu\\.west.*"', 'eu.west-1', true],
    ['name=~".*Not.*ed"', 'PolicyNotEnforced', true],
    ['cluster=~"a\\|b"', 'a|b', true],
    ['cluster=~"a\\|b"', 'a', false],
    ['team=""', '', true],
    ['policy="a \\"b\\" \\\\c"', 'a "b" \\c', true],
    // An overlap of beginning and end is no match.
    ['cluster=~"ab.*bc"', 'abc', false],
  ])('%s of %j is %s', (text, value, expected) => {
    expect(matches(text, value)).toBe(expected);
  });

  it.each([
    '',
    'severity',
    'severity=="x"',
    'colour=red',
    'severity="a',
    'cluster=~"(a+)+$"',
    'cluster=~"a{2}"',
    'cluster=~"a.b"',
    'cluster=~"eu\\.*"',
    'cluster=~eu\\',
    'cluster=~"\\d"',
  ])('refuses %j', (text) => {
    expect(() => parseMatcher(text)).toThrow(/must be|label|only/);
  });

  it('matches as its regular expression', () => {
    const piece = fc.constantFrom('a', 'b', 'ab', '.*');
    const branch = fc.array(piece, { maxLength: 5 }).map((pieces) => pieces.join(''));
    const pattern = fc.array(branch, { minLength: 1, maxLength: 3 }).map((branches) => branches.join('|'));
    const value = fc.array(fc.constantFrom('a', 'b'), { maxLength: 8 }).map((letters) => letters.join(''));
    fc.assert(
      fc.property(pattern, value, (text, given) => {
        expect(matches(`cluster=~"${text}"`, given)).toBe(new RegExp(`^(?:${text})$`).test(given));
      }),
    );
  });

  it('treats an absent label as the empty text', () => {
    const matchers = MATCHED_LABELS.map((label) => parseMatcher(`${label}=""`));
    expect(matchesAll(matchers, {})).toBe(true);
    expect(matchesAll([parseMatcher('team!=""')], {})).toBe(false);
  });
});
