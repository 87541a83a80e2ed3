import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { createKubeClient } from './client.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'fso-kubeconfig-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const write = (content: unknown): string => {
  const path = join(folder, 'config');
  writeFileSync(path, typeof content === 'string' ? content : stringify(content));
  return path;
};

const config = (cluster: Record<string, unknown>, current: string | undefined = 'c') => ({
  clusters: [{ name: 'k', cluster }],
  contexts: [{ name: 'c', context: { cluster: 'k' } }],
  ...(current === '' ? {} : { 'current-context': current }),
});

const problem = (content: unknown): string => {
  try {
    createKubeClient({ kubeconfig: write(content) });
    return 'none';
  } catch (error) {
    return String(error);
  }
};

describe('createKubeClient', () => {
  it('names a missing file', () => {
    expect(() => createKubeClient({ kubeconfig: '/nowhere/config' })).toThrow('kubeconfig /nowhere/config: no such file');
  });

  it('takes the server of the current context', () => {
    expect(createKubeClient({ kubeconfig: write(config({ server: 'https://k.example:6443/' })) }).server).toBe('https://k.example:6443');
  });

  it.each([
    ['broken YAML', 'clusters: [', 'not valid YAML'],
    ['nesting without end', '['.repeat(5_000), 'not valid YAML'],
    [
      'aliases that multiply',
      `a: &a [x, x]\nb: &b [${'*a, '.repeat(9)}*a]\nc: &c [${'*b, '.repeat(9)}*b]\nd: [${'*c, '.repeat(9)}*c]\n`,
      'not valid YAML',
    ],
    ['very much of it', ' '.repeat(4 * 1024 * 1024 + 1), 'more than the 4194304 that are accepted'],
    ['another document', 'clusters: none', 'not a kubeconfig: clusters'],
    ['an empty file', '', 'not a kubeconfig'],
    ['no current context', config({ server: 'https://k' }, ''), 'no current-context is set (contexts in it: c)'],
    ['an unknown context', config({ server: 'https://k' }, 'x'), 'context "x" is not in the file'],
    ['an unknown cluster', { ...config({ server: 'https://k' }), clusters: [] }, 'names cluster "k", which is not in the file'],
    ['a server that is no URL', config({ server: 'k' }), 'is not a URL'],
    ['a server without TLS', config({ server: 'http://k.example' }), 'must be https'],
    ['unverified TLS', config({ server: 'https://k', 'insecure-skip-tls-verify': true }), 'insecure-skip-tls-verify'],
  ])('reports what is wrong: %s', (_, content, message) => {
    expect(problem(content)).toContain(message);
  });
});
