import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { makeAgentCa } from '../identity/index.ts';
import { openConfigBench } from './testing/config-harness.ts';

const { folder, base, load, problemsOf } = openConfigBench();

describe('FSO_KEYS_DIR', () => {
  const keys = join(folder, 'keys');

  it('adds nothing while it has no keys, or does not exist', async () => {
    const absent = await load({ FSO_KEYS_DIR: keys });
    await mkdir(keys);
    const empty = await load({ FSO_KEYS_DIR: keys });
    for (const { identity, auditKeyFile, dataDir } of [absent, empty])
      expect([identity?.ca, auditKeyFile]).toEqual([undefined, join(dataDir, 'audit-key.pem')]);
  });

  it('is complete, or refused', async () => {
    const { cert, key } = await makeAgentCa(new Date());
    await writeFile(join(keys, 'ca.crt'), cert);
    await writeFile(join(keys, 'ca.key'), key);
    expect(await problemsOf(base({ FSO_KEYS_DIR: keys }))).toEqual([`FSO_KEYS_DIR: ${keys} has no audit-key.pem, but others of the keys`]);
    await writeFile(join(keys, 'audit-key.pem'), 'a key');
    const { identity, auditKeyFile } = await load({ FSO_KEYS_DIR: keys });
    expect([identity?.ca, auditKeyFile]).toEqual([{ cert, key }, join(keys, 'audit-key.pem')]);
  });

  it('yields to settings that name a file', async () => {
    const own = join(folder, 'own.pem');
    expect((await load({ FSO_KEYS_DIR: keys, FSO_AUDIT_KEY_FILE: own })).auditKeyFile).toBe(own);
  });
});
