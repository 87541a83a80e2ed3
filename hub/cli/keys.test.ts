import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { loadHubConfig } from '../config/config.ts';
import { makeAgentCa, ownCaPaths } from '../identity/index.ts';
import { loadAuditKey } from '../ledger/index.ts';
import { runFso } from './testing/run-fso.ts';

interface Secret {
  readonly kind: string;
  readonly immutable: boolean;
  readonly metadata: object;
  readonly data: Readonly<Record<string, string>>;
}

describe('fso keys show', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'fso-keys-'));
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  it('prints the keys of the hub as a Secret, which another hub accepts', async () => {
    const dataDir = join(folder, 'data');
    const audit = await loadAuditKey(join(dataDir, 'audit-key.pem'));
    const none = await runFso(['keys', 'show', 'fso-keys'], { FSO_DATA_DIR: dataDir });
    expect([none.code, none.err]).toEqual([2, expect.stringContaining('no keys here yet')]);
    const ca = await makeAgentCa(new Date());
    const paths = ownCaPaths(dataDir);
    await mkdir(paths.folder);
    await writeFile(paths.cert, ca.cert);
    await writeFile(paths.key, ca.key);

    const shown = await runFso(['keys', 'show', 'fso-keys', '--namespace', 'fso'], { FSO_DATA_DIR: dataDir });
    const secret = parse(shown.out) as Secret;
    expect(secret).toMatchObject({ kind: 'Secret', immutable: true, metadata: { name: 'fso-keys', namespace: 'fso' } });

    const mounted = await mkdtemp(join(folder, 'mounted-'));
    for (const [file, text] of Object.entries(secret.data)) await writeFile(join(mounted, file), Buffer.from(text, 'base64'));
    const config = await loadHubConfig({ FSO_GIT_URL: 'https://git.example.com/policies.git', FSO_KEYS_DIR: mounted });
    expect(config.identity?.ca).toEqual(ca);
    expect((await loadAuditKey(config.auditKeyFile)).id).toBe(audit.id);
    expect((await runFso(['keys', 'show', 'fso-keys', '-n', 'fso'], { FSO_KEYS_DIR: mounted })).out).toBe(shown.out);
  });
});

describe('fso keys create', () => {
  it('requires a namespace outside of a pod', async () => {
    const { code, err } = await runFso(['keys', 'create', 'fso-keys']);
    expect([code, err]).toEqual([2, expect.stringContaining('--namespace')]);
  });
});
