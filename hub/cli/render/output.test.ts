import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, it } from 'vitest';
import { runFso } from '../testing/run-fso.ts';
import { renderTable, writeFacts } from './output.ts';
import { age, createPaint } from './text.ts';

interface Row {
  readonly name: string;
  readonly phase: string;
}
const columns = [
  { title: 'NAME', value: ({ name }: Row) => name },
  { title: 'PHASE', value: ({ phase }: Row) => phase },
  { title: 'END', value: () => '' },
];
const rows = [
  { name: 'finance-eu', phase: 'Active' },
  { name: 'hr', phase: 'Failed' },
];

describe('table', () => {
  it('aligns with two spaces and nothing at the end of a line', () => {
    expect(renderTable(columns, rows, createPaint(false))).toBe('NAME        PHASE   END\nfinance-eu  Active\nhr          Failed\n');
  });

  it('aligns the same with colours', () => {
    const colored = renderTable(columns, rows, createPaint(true));
    expect(colored).toContain('\u001b[32mActive\u001b[0m');
    // biome-ignore lint/suspicious/noControlCharactersInRegex: escape codes are what is taken out.
    expect(colored.replaceAll(/\u001b\[\d+m/g, '').replaceAll(/ +\n/g, '\n')).toBe(renderTable(columns, rows, createPaint(false)));
  });

  it('lets no text of others drive the terminal', () => {
    const evil = [{ name: 'a\u001b[2Jb\nc', phase: '' }];
    expect(renderTable(columns, evil, createPaint(false))).toContain('a [2Jb c');
    let facts = '';
    writeFacts({ out: (text) => (facts += text), paint: createPaint(false) }, [
      ['Name', 'x\ry'],
      ['Absent', undefined],
    ]);
    expect(facts).toBe('Name:  x y\n');
  });

  it.each([401, 404, 500])('lets no error of the hub drive it either: HTTP %i', async (status) => {
    const detail = 'no\u001b]0;owned\u0007 \u009b2J end';
    const problem = JSON.stringify({ type: 'urn:fso:problem:x', title: 'Bad\u001b[2J', status, code: 'x', detail, requestId: '1' });
    const hub = createServer((_req, res) => res.writeHead(status, { 'content-type': 'application/problem+json' }).end(problem));
    await once(hub.listen(0, '127.0.0.1'), 'listening');
    const { err, out } = await runFso(['get', 'policies'], { FSO_SERVER: `http://127.0.0.1:${(hub.address() as AddressInfo).port}` });
    expect(err).toContain('no ]0;owned   2J end');
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there.
    expect(err + out).not.toMatch(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/);
    hub.close();
  });
});

describe('values', () => {
  it.each([
    ['2026-01-03T10:29:55Z', '5s'],
    ['2026-01-03T10:27:00Z', '3m'],
    ['2026-01-03T07:00:00Z', '3h'],
    ['2025-12-01T00:00:00Z', '33d'],
    ['2026-01-03T10:30:09Z', '0s'],
    [null, '-'],
  ])('age of %s is %s', (time, text) => {
    expect(age(time, new Date('2026-01-03T10:30:00Z'))).toBe(text);
  });
});
