import { describe, expect, it } from 'vitest';
import { csvLine } from './csv.ts';

describe('a line of a table', () => {
  it('quotes what would end a cell or the line', () => {
    expect(csvLine(['a,b', 'say "x"', 'two\r\nlines', 'plain'])).toBe('"a,b","say ""x""","two\r\nlines",plain\r\n');
  });

  it.each(['=1+1', '+1', '-1', '@cmd', '\tx', '\rx', '\nx', '\n=1', '  =1', '＝1', '＋1', '－1', '＠x', '\u3000＝1'])(
    'makes a formula harmless: %j',
    (text) => {
      expect(csvLine([text]).replaceAll('"', '')).toBe(`'${text}\r\n`);
    },
  );

  it('leaves numbers alone and nothing empty', () => {
    expect(csvLine([-1, 0, null, undefined, ''])).toBe('-1,0,,,\r\n');
  });
});
