import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openFileStore } from './file-store.ts';
import { revoke } from './records.ts';

const NOW = new Date('2026-01-03T10:30:00Z');
let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fso-store-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

describe('the file of enrolments', () => {
  it('keeps what was answered, for its owner alone', async () => {
    const store = await openFileStore(folder);
    await Promise.all(['us', 'eu', 'eu-1'].map((name) => store.update(name, (before) => revoke(before, name, NOW))));
    const again = await openFileStore(folder);
    expect((await again.list()).map(({ cluster, state }) => [cluster, state])).toEqual([
      ['eu', 'revoked'],
      ['eu-1', 'revoked'],
      ['us', 'revoked'],
    ]);
    expect((await stat(join(folder, 'enrolments.json'))).mode & 0o777).toBe(0o600);
  });

  it('tells of each change, and changes nothing where the change throws', async () => {
    const store = await openFileStore(folder);
    const told: string[] = [];
    const end = store.subscribe((cluster) => told.push(cluster));
    await store.update('eu', (before) => revoke(before, 'eu', NOW));
    const refuse = (): never => {
      throw new Error('no');
    };
    await expect(store.update('us', refuse)).rejects.toThrow('no');
    await store.update('eu', (before) => before ?? refuse());
    end();
    await store.update('eu', (before) => revoke(before, 'eu', NOW));
    expect(told).toEqual(['eu']);
    expect(await store.get('us')).toBeUndefined();
  });

  it('is not passed over when it is damaged', async () => {
    const store = await openFileStore(folder);
    await store.update('eu', (before) => revoke(before, 'eu', NOW));
    const text = await readFile(join(folder, 'enrolments.json'), 'utf8');
    await writeFile(join(folder, 'enrolments.json'), text.slice(0, -10));
    await expect(openFileStore(folder)).rejects.toThrow('would forget who was revoked');
  });
});
