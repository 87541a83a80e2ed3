import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { makeTemporaryFolder } from '../../../test/harness/temporary-folder.ts';
import { mountSecret } from '../testing/mounted-secret.ts';
import { createLogger } from './logger.ts';
import { SecretFile, Secrets, secretText } from './secrets.ts';

const schema = z.object({ A: z.string().min(4, 'must have at least 4 characters').optional(), B: z.string().optional() });

let folder: string;
let file: string;
beforeEach(() => {
  folder = makeTemporaryFolder('secrets');
  file = join(folder, 'a');
  writeFileSync(file, 'first\n');
});

const read = async (env: Record<string, string>) => {
  const problems: string[] = [];
  return { secrets: await Secrets.read(env, schema, ['A', 'B'], problems), problems };
};

describe('Secrets', () => {
  it('are read from files without the newline at their end; an empty variable is an absent one', async () => {
    const { secrets, problems } = await read({ A_FILE: file, B: 'given', B_FILE: '', C: 'else' });
    expect([secrets.environment, problems]).toEqual([{ A: 'first', A_FILE: file, B: 'given', B_FILE: '', C: 'else' }, []]);
    expect([secrets.get('A'), secrets.get('B')]).toEqual([expect.any(SecretFile), 'given']);
    expect((await read({ A: '' })).secrets.get('A')).toBeUndefined();
  });

  it('note every problem, and quote nothing', async () => {
    const [empty, absent] = [join(folder, 'empty'), join(folder, 'absent')];
    writeFileSync(empty, '\n');
    expect((await read({ A: 'hunter2', A_FILE: empty, B_FILE: absent })).problems).toEqual([
      'A, A_FILE: only one of them may be set',
      `A_FILE: ${empty} is empty`,
      `B_FILE: ${absent} cannot be read (ENOENT)`,
    ]);
    expect((await read({ A_FILE: folder })).problems).toEqual([`A_FILE: ${folder} cannot be read (EISDIR)`]);
  });
});

describe('SecretFile', () => {
  const open = async (path: string) => {
    const { secrets } = await read({ A_FILE: path });
    const lines: string[] = [];
    const [secret = expect.fail('no file')] = secrets.files;
    secret.logTo(createLogger({ name: 'x', destination: { write: (line) => void lines.push(line) } }));
    const logged = () => lines.map((line) => (({ msg, reason }) => [msg, reason])(JSON.parse(line) as { msg: string; reason?: string }));
    return { secret, logged, lines };
  };

  it('gives what the file has at each use', async () => {
    const { secret, logged } = await open(file);
    expect(secretText(secret)).toBe('first');
    writeFileSync(file, 'second');
    expect([secretText(secret), secretText(secret)]).toEqual(['second', 'second']);
    expect(logged()).toEqual([['credential read again', undefined]]);
  });

  it('follows a Secret that kubelet mounts', async () => {
    mountSecret(folder, { key: 'old text' });
    const { secret } = await open(join(folder, 'key'));
    expect(secret.read()).toBe('old text');
    mountSecret(folder, { key: 'new text' });
    expect(secret.read()).toBe('new text');
  });

  it('keeps the text while the file is gone, empty or not usable, and logs that once without quoting it', async () => {
    const { secret, logged, lines } = await open(file);
    const UNUSABLE = 'credential is not usable; the one before stays in use';
    rmSync(file);
    expect([secret.read(), secret.read()]).toEqual(['first', 'first']);
    writeFileSync(file, ' ');
    expect(secret.read()).toBe('first');
    writeFileSync(file, 'abc');
    expect([secret.read(), secret.read()]).toEqual(['first', 'first']);
    expect(logged()).toEqual([
      [UNUSABLE, 'cannot be read (ENOENT)'],
      [UNUSABLE, 'is empty'],
      [UNUSABLE, 'must have at least 4 characters'],
    ]);
    secret.addCheck((text) => (text === 'unlike' ? 'is another' : undefined));
    writeFileSync(file, 'unlike');
    expect(secret.read()).toBe('first');
    writeFileSync(file, 'third');
    expect(secret.read()).toBe('third');
    expect(lines.join('')).not.toMatch(/abc|unlike|third/);
  });
});
