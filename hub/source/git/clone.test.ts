import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { GitHttpRequest } from 'isomorphic-git';
import { expect, it } from 'vitest';
import { openClone } from './clone.ts';
import type { GitHttp } from './git-http.ts';

const line = (text: string): string => (text.length + 4).toString(16).padStart(4, '0') + text;
const FLUSH = '0000';
const CAPABILITIES = `${line('# service=git-upload-pack\n')}${FLUSH}${line('version 2\n')}${line('ls-refs\n')}${FLUSH}`;

async function* bodyOf(text: string) {
  yield Buffer.from(text);
}

/** A server that answers each question for refs with all of these. */
const serverWith = (...refs: string[]): GitHttp => ({
  client: () => ({
    request: async ({ url, method = 'GET' }: GitHttpRequest) => ({
      url,
      method,
      statusCode: 200,
      statusMessage: 'OK',
      headers: { 'content-type': 'application/x-git-upload-pack-advertisement' },
      body: bodyOf(method === 'GET' ? CAPABILITIES : refs.map((ref) => line(`${'a'.repeat(40)} ${ref}\n`)).join('') + FLUSH),
    }),
  }),
  close: async () => undefined,
});

it('lists tags of a prefix alone, also of a server that ignores it', async () => {
  const gitdir = await mkdtemp(join(tmpdir(), 'fso-clone-'));
  const http = serverWith('HEAD', 'refs/heads/main', 'refs/tags/v1', 'refs/tags/fso/approve/x/production');
  const clone = await openClone({ gitdir, url: 'https://git.example.org/policies', ref: 'main', http });
  expect(await clone.listTags('fso/approve/x/', new AbortController().signal)).toEqual([
    { name: 'fso/approve/x/production', id: 'a'.repeat(40) },
  ]);
  await rm(gitdir, { recursive: true });
});
