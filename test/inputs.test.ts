import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { sourceFiles } from './harness/source-imports.ts';

/**
 * docs/security/inputs.md says of each input what it is bounded by; these tests keep it complete.
 */

const root = join(import.meta.dirname, '..');
const read = (path: string): string => readFileSync(join(root, path), 'utf8');

const SOURCES = ['hub', 'agent', 'shared']
  .flatMap((name) => sourceFiles(join(root, name)).map((path) => `${name}/${path}`))
  // Browsers bound what the dashboard reads.
  .filter((path) => !path.startsWith('hub/dashboard/'));

/** Modules by which a program gets what others send. */
const MODULES =
  /^(node:(http|https|http2|net|tls|dgram|child_process|zlib)|undici|ws|pg|express|nodemailer|openid-client|jose|isomorphic-git|eventsource-parser\/stream|@kubernetes\/client-node|@opentelemetry\/exporter-.+)$/;
const IMPORT = /^import (?!type\b)([^;]*?) from '([^']+)'|\bimport\('([^']+)'\)/gm;
const GLOBALS = /(?<![\w.#]|function )(fetch\(|WebSocket\()|\bnodeHttp\.|process\.stdin\b/;

const isOfTypes = (names: string): boolean =>
  names.startsWith('{') &&
  names
    .replace(/[{}]/g, '')
    .split(',')
    .every((name) => name.trim() === '' || name.trim().startsWith('type '));

/** Code without comments, whose words are no calls. */
const codeOf = (text: string): string => text.replace(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, '');

const readsOthers = (path: string): boolean => {
  const code = codeOf(read(path));
  const isImported = [...code.matchAll(IMPORT)].some(
    ([, names = '', module = '', loaded = '']) => MODULES.test(module || loaded) && !isOfTypes(names),
  );
  return isImported || GLOBALS.test(code);
};

const COLUMNS = ['input', 'code', 'too large', 'too deep', 'too many', 'too slow', 'never ends', 'garbage'];
const rows = read('docs/security/inputs.md')
  .split('\n')
  .filter((line) => line.startsWith('| '))
  .map((line) =>
    line
      .slice(1, -1)
      .split('|')
      .map((cell) => cell.trim()),
  );
const inputs = rows.filter(([first]) => first !== 'input' && first !== '---');
const named = inputs.flatMap(([, code = '']) => [...code.matchAll(/`([^`]+)`/g)].map(([, path = '']) => path));

describe('inputs', () => {
  it('are found in the sources', () => {
    const found = SOURCES.filter(readsOthers);
    expect(found).toEqual(
      expect.arrayContaining(['hub/delivery/delivery.ts', 'shared/kube/client/transport.ts', 'hub/alerts/receivers/http.ts']),
    );
  });

  it('have a row each', () => {
    expect(SOURCES.filter((path) => readsOthers(path) && !named.includes(path))).toEqual([]);
  });

  it('name in each row what bounds them, in each way', () => {
    expect(rows.filter(([first]) => first === 'input')).toEqual(rows.filter(([first]) => first === 'input').map(() => COLUMNS));
    expect(inputs.filter((cells) => cells.length !== COLUMNS.length || cells.some((cell) => cell === ''))).toEqual([]);
  });

  it('name modules that exist', () => {
    expect(named.length).toBeGreaterThan(20);
    expect(named.filter((path) => !existsSync(join(root, path)))).toEqual([]);
  });
});
