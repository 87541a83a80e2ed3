import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, createWriteStream, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { promisify } from 'node:util';
import { CommandError } from '../command-error.ts';
import type { ByteCounter, Downloader } from './downloader.ts';
import { Image } from './image.ts';
import { type Download, thisPlatform } from './releases.ts';

const run = promisify(execFile);
/** Longest list of an archive's files. */
const MAX_LIST_BYTES = 64 * 1024 * 1024;

/**
 * Extracts one file of a .tar.gz to `target`, with the program `tar`.
 *
 * @returns false if the archive has no such file
 * @throws Error if the archive is damaged
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

interface Target {
  /** Path of the program. */
  readonly file: string;
  /** Path for the download that contains the program. */
  readonly temporary: string;
  readonly counter: ByteCounter;
}

type ImageDownload = Download & { readonly release: { readonly kind: 'image' } };

async function saveFromImage(download: ImageDownload, target: Target, downloader: Downloader, signal: AbortSignal): Promise<void> {
  const { registry, repository, member } = download.release;
  const image = new Image(downloader, registry, repository);
  const layers = await image.layers(download.digest, thisPlatform() ?? '', signal);
  // The layer with the program is near the top, above the base layers.
  for (const { url, digest } of layers.toReversed()) {
    await downloader.save({ url, headers: image.headers, digest, file: target.temporary, counter: target.counter }, signal);
    if (await extractMember(target.temporary, member, target.file)) return;
  }
  throw new CommandError(`the image ${registry}/${repository}@${download.digest} has no file ${member}`);
}

async function save(download: Download, target: Target, downloader: Downloader, signal: AbortSignal): Promise<void> {
  const { release, digest } = download;
  if (release.kind === 'image') return saveFromImage({ ...download, release }, target, downloader, signal);
  const { url } = release;
  await downloader.save({ url, digest, file: target.temporary, counter: target.counter }, signal);
  if (release.kind === 'file') renameSync(target.temporary, target.file);
  else if (!(await extractMember(target.temporary, release.member, target.file))) {
    throw new CommandError(`${url} has no file ${release.member}`);
  }
}

/**
 * Downloads programs and files into a folder. Each file gets its name there only after its
 * verification.
 */
export async function downloadTool(
  downloads: readonly Download[],
  dir: string,
  { downloader, counter }: { readonly downloader: Downloader; readonly counter: ByteCounter },
  signal: AbortSignal,
): Promise<void> {
  const temporary = join(dir, '.download');
  for (const download of downloads) {
    const file = join(dir, download.name);
    await save(download, { file, temporary, counter }, downloader, signal);
    rmSync(temporary, { force: true });
    chmodSync(file, download.executable ? 0o755 : 0o644);
  }
}
