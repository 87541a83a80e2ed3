import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readSecrets } from './config-files.ts';

let folder: string;
let full: string;
let empty: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fso-secrets-'));
  full = join(folder, 'full');
  empty = join(folder, 'empty');
  await writeFile(full, 'secret\n');
  await writeFile(empty, '\n');
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const read = async (env: Record<string, string>) => {
  const problems: string[] = [];
  return { secrets: await readSecrets(env, ['A', 'B'], problems), problems };
};

describe('readSecrets', () => {
  it('reads files without the newline at their end; an empty variable is an absent one', async () => {
    expect(await read({ A_FILE: full, B: 'given', B_FILE: '' })).toEqual({ secrets: { A: 'secret' }, problems: [] });
  });

  it('notes every problem, without a secret', async () => {
    expect((await read({ A: 'hunter2', A_FILE: empty, B_FILE: join(folder, 'absent') })).problems).toEqual([
      'A, A_FILE: only one of them may be set',
      `A_FILE: ${empty} is empty`,
      `B_FILE: ${join(folder, 'absent')} cannot be read (ENOENT)`,
    ]);
    expect((await read({ A_FILE: folder })).problems).toEqual([`A_FILE: ${folder} cannot be read (EISDIR)`]);
  });
});
