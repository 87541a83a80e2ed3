import { describe, expect, it } from 'vitest';
import { policyTexts } from './policy-text.ts';

const policy = (name: string): string => `kind: SovereignPolicy\nmetadata: {name: ${name}}\n`;
const read = (text: string) => policyTexts({ path: 'policies/x.yaml', text });

describe('the source text of policies', () => {
  it('are found in a file of several documents, each with its comments and its first line', () => {
    const text = `# of finance\n${policy('finance')}# below\n---\n# of hr\n\n${policy('hr')}...\n# of it\n---\n${policy('it')}---\nkind: Other\n`;
    expect(read(text)).toEqual([
      { name: 'finance', line: 1, yaml: `# of finance\n${policy('finance')}# below\n` },
      { name: 'hr', line: 6, yaml: `# of hr\n\n${policy('hr')}` },
      { name: 'it', line: 11, yaml: `# of it\n---\n${policy('it')}` },
    ]);
  });

  it('begin after a first mark and blank lines', () => {
    expect(read(`---\n\n\n${policy('a')}\n\n`)).toEqual([{ name: 'a', line: 4, yaml: policy('a') }]);
    expect(read(`---\r\n${policy('a')}`)).toEqual([{ name: 'a', line: 2, yaml: policy('a') }]);
  });

  it('are not looked for in what the decoder would not read', () => {
    expect(read(`${policy('a')}b: &x [1]\nc: *x\n`)).toBeUndefined();
    expect(read('a: [')).toBeUndefined();
    expect(read(`# ${'x'.repeat(300_000)}`)).toBeUndefined();
    expect(read('- SovereignPolicy\n---\nkind: SovereignPolicy\nmetadata: {name: [a]}\n')).toEqual([]);
  });
});
