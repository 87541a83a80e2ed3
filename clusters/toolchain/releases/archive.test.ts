import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, expect, it } from 'vitest';
import { makeTemporaryFolder } from '../../../test/harness/temporary-folder.ts';
import { tarball } from '../testing/mirror.ts';
import { extractMember } from './release-tool.ts';

let archive: string;
let target: string;
const large = Buffer.from('content '.repeat(100_000));

beforeEach(() => {
  const dir = makeTemporaryFolder('archive');
  [archive, target] = [join(dir, 'archive.tar.gz'), join(dir, 'target')];
});

it.each([
  ['empty', Buffer.alloc(0)],
  ['as long as a block', Buffer.alloc(512, 'x')],
  ['large', large],
])('extracts a file that is %s and stands between others', async (_, content) => {
  writeFileSync(archive, tarball({ before: large, './usr/local/bin/tool': content, after: large }));
  expect(await extractMember(archive, 'usr/local/bin/tool', target)).toBe(true);
  expect(readFileSync(target).equals(content)).toBe(true);
});

it.each(['gnu', 'pax', 'ustar'])('reads an archive of tar in the format %s', async (format) => {
  const dir = makeTemporaryFolder('archive');
  const long = `${'long/'.repeat(30)}name`;
  mkdirSync(join(dir, 'long/'.repeat(30)), { recursive: true });
  writeFileSync(join(dir, long), 'another');
  writeFileSync(join(dir, 'manager'), large);
  execFileSync('tar', ['-C', dir, `--format=${format}`, '-czf', archive, long, './manager']);
  expect(await extractMember(archive, 'manager', target)).toBe(true);
  expect(readFileSync(target).equals(large)).toBe(true);
});

it('reports a missing file', async () => {
  writeFileSync(archive, tarball({ 'bin/tool-2': large, tool: large }));
  expect(await extractMember(archive, 'bin/tool', target)).toBe(false);
});

it.each([
  ['is cut off', (whole: Buffer) => whole.subarray(0, whole.length / 2), /unexpected end of file/],
  ['is not gzip', () => Buffer.from('<html>'), /not in gzip format/],
  ['is not tar', () => tarball({}).subarray(0, 0), /unexpected end of file/],
])('fails on an archive that %s', async (_, damage, message) => {
  writeFileSync(archive, damage(tarball({ 'bin/tool': large })));
  await expect(extractMember(archive, 'bin/tool', target)).rejects.toThrow(message);
});
