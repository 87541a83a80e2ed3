import fc from 'fast-check';
import { expect, it } from 'vitest';
import { tokenizeYaml } from './yaml-tokens.ts';

const kinds = (line: string): string[] => (tokenizeYaml(line)[0] ?? []).map(({ kind, text }) => `${kind} ${text}`);

it('distinguishes keys, strings, marks and comments', () => {
  expect(kinds('kind: SovereignPolicy # of finance')).toEqual(['key kind', 'mark :', 'plain  SovereignPolicy', 'comment  # of finance']);
  expect(kinds("  allowedRegions: ['group:eu', eu-west-1]")).toEqual([
    'mark   ',
    'key allowedRegions',
    'mark :',
    'plain  ',
    'mark [',
    "string 'group:eu'",
    'mark ,',
    'plain  eu-west-1',
    'mark ]',
  ]);
  expect(kinds('  - name: a#b')).toEqual(['mark   - ', 'key name', 'mark :', 'plain  a#b']);
  expect(kinds('- group:eu')).toEqual(['mark - ', 'plain group:eu']);
  expect(kinds('compliance.gov/owner: "a: b # c"')).toEqual(['key compliance.gov/owner', 'mark :', 'plain  ', 'string "a: b # c"']);
  expect(kinds('# all of it')).toEqual(['comment # all of it']);
  expect(kinds('---')).toEqual(['mark ---']);
});

it('treats a block as text until its end', () => {
  const lines = tokenizeYaml('description: |\n  why: because\n\n  # not a comment\nexpiryDate: 2027-01-01T00:00:00Z');
  expect(lines.map((tokens) => tokens.map(({ kind }) => kind).join(' '))).toEqual([
    'key mark plain',
    'string',
    '',
    'string',
    'key mark plain',
  ]);
});

it('loses and adds nothing', () => {
  const piece = fc.constantFrom('a', 'key', ':', ' ', '- ', '"', "'", '#', '[', ']', '{', ',', '|', '>', '\n', '\t', 'é', '\\', '-', '---');
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 40 }), (pieces) => {
      const yaml = pieces.join('');
      const lines = tokenizeYaml(yaml);
      expect(lines.map((tokens) => tokens.map(({ text }) => text).join('')).join('\n')).toBe(yaml);
    }),
  );
});
