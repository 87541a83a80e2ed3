import { chmodSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { CommandError } from '../command-error.ts';
import { extractMember } from './archive.ts';
import type { ByteCounter, Downloader } from './downloader.ts';
import { Image } from './image.ts';
import { type Download, thisPlatform } from './releases.ts';

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
  // The layer of the program is near the top, its base layers are below.
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

/** Downloads programs and files into a folder, and verifies each before it gets its name there. */
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
