import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { promisify } from 'node:util';

const run = promisify(execFile);
/** Longest list of an archive's files. */
const MAX_LIST_BYTES = 64 * 1024 * 1024;

/**
 * Writes one file of a .tar.gz to `target`, by the program `tar`.
 *
 * @returns false when the archive has no such file
 * @throws Error when the archive is damaged
 */
export async function extractMember(archive: string, member: string, target: string): Promise<boolean> {
  const { stdout } = await run('tar', ['-tzf', archive], { maxBuffer: MAX_LIST_BYTES });
  const name = stdout.split('\n').find((each) => each.replace(/^\.?\//, '') === member);
  if (name === undefined) return false;
  const tar = spawn('tar', ['-xzOf', archive, name], { stdio: ['ignore', 'pipe', 'inherit'] });
  const closed = once(tar, 'close');
  await pipeline(tar.stdout, createWriteStream(target));
  const [code] = await closed;
  if (code !== 0) throw new Error(`tar cannot read ${name} of ${archive}`);
  return true;
}
