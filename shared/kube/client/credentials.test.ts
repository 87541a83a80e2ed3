import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { KubeConfig } from '@kubernetes/client-node';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { createCredentialSource } from './credentials.ts';
import type { Credentials } from './kubeconfig.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fso-credentials-'));
  await Promise.all(['ca', 'cert', 'key', 'token'].map((name) => writeFile(join(folder, name), `${name} of a file\n`)));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

type Fields = Readonly<Record<string, unknown>>;

const write = async (user: Fields, cluster: Fields = {}): Promise<string> => {
  const path = join(folder, 'config');
  const config = {
    clusters: [{ name: 'k', cluster: { server: 'https://k.example', ...cluster } }],
    contexts: [{ name: 'c', context: { cluster: 'k', user: 'u' } }],
    users: [{ name: 'u', user }],
    'current-context': 'c',
  };
  await writeFile(path, stringify(config));
  return path;
};

const read = (path: string): Promise<Credentials> =>
  createCredentialSource({ server: 'https://k.example', proxyUrl: undefined, file: { path, context: 'c' } }).current();

/** Reads the same kubeconfig with the library. */
const readByLibrary = async (path: string): Promise<Record<string, string | undefined>> => {
  const config = new KubeConfig();
  config.loadFromFile(path);
  const options: { headers?: Record<string, string>; ca?: unknown; cert?: unknown; key?: unknown; servername?: string } = {};
  await config.applyToHTTPSOptions(options as Parameters<KubeConfig['applyToHTTPSOptions']>[0]);
  const { ca, cert, key, servername } = options;
  return { ...texts({ ca, cert, key, servername }), authorization: options.headers?.['Authorization'] };
};

const texts = (fields: Fields): Record<string, string | undefined> =>
  Object.fromEntries(
    Object.entries(fields).map(([name, value]) => [name, value === undefined || value === null ? undefined : String(value)]),
  );

const base64 = (text: string): string => Buffer.from(text).toString('base64');

describe('credentials of a kubeconfig', () => {
  it.each<[string, Fields, Fields]>([
    ['a token and a CA', { token: 'secret' }, { 'certificate-authority-data': base64('ca') }],
    ['a client certificate in the file', { 'client-certificate-data': base64('cert'), 'client-key-data': base64('key') }, {}],
    ['files relative to the kubeconfig', { 'client-certificate': 'cert', 'client-key': 'key' }, { 'certificate-authority': 'ca' }],
    [
      'empty fields, as templates leave them',
      { token: 'secret', tokenFile: '', 'client-certificate': '', 'client-key-data': '' },
      { 'certificate-authority': '', 'certificate-authority-data': base64('ca') },
    ],
    ['another name of the server', { token: 'secret' }, { 'tls-server-name': 'other.example' }],
  ])('equal those that the library reads: %s', async (_, user, cluster) => {
    const path = await write(user, cluster);
    const { headers, tls } = await read(path);
    const { ca, cert, key, servername } = tls;
    expect({ ...texts({ ca, cert, key, servername }), authorization: headers['authorization'] }).toEqual(await readByLibrary(path));
  });

  it('prefer a token file to a token, and read it again', async () => {
    const path = await write({ token: 'stale', tokenFile: 'token' });
    expect((await read(path)).headers).toEqual({ authorization: 'Bearer token of a file' });
    await writeFile(join(folder, 'token'), 'rotated\n');
    expect((await read(path)).headers).toEqual({ authorization: 'Bearer rotated' });
  });

  it('come from the plugin that the user names', async () => {
    const plugin = join(folder, 'plugin');
    const credential = { apiVersion: 'client.authentication.k8s.io/v1', kind: 'ExecCredential', status: { token: 'made by a plugin' } };
    await writeFile(plugin, `#!/bin/sh\necho '${JSON.stringify(credential)}'\n`);
    await chmod(plugin, 0o700);
    const exec = { apiVersion: 'client.authentication.k8s.io/v1', command: plugin, interactiveMode: 'Never' };
    expect((await read(await write({ exec }))).headers).toEqual({ authorization: 'Bearer made by a plugin' });
  });

  it('change the identity of the connection with the certificate, not with the token', async () => {
    const [first, second] = [await read(await write({ token: 'a' })), await read(await write({ token: 'b' }))];
    const other = await read(await write({ token: 'b' }, { 'certificate-authority': 'ca' }));
    expect(second.tlsId).toBe(first.tlsId);
    expect(other.tlsId).not.toBe(first.tlsId);
  });

  it('may stand in lines of Base64, and without padding', async () => {
    const lines = base64('a certificate')
      .replace(/=+$/, '')
      .replace(/(.{4})/g, '$1\n');
    const { tls } = await read(await write({ token: 'secret' }, { 'certificate-authority-data': lines }));
    expect(String(tls.ca)).toBe('a certificate');
  });

  it('appear in no error, also where the file is read while it is written', async () => {
    const path = await write({ token: 'secret' });
    await writeFile(path, 'users:\n- name: u\n  user:\n    token: "eyJ-secret\n  : ][');
    const error: unknown = await read(path).catch((caught: unknown) => caught);
    expect(String(error)).toContain('credentials for https://k.example');
    expect(inspect(error, { depth: 10 })).not.toContain('eyJ-secret');
  });

  it('name the server and the file that cannot be read', async () => {
    const path = await write({ 'client-certificate': 'nowhere', 'client-key': 'key' });
    await expect(read(path)).rejects.toThrow(/credentials for https:\/\/k\.example: .*nowhere/);
  });
});
