import type { ToolModule } from '../modules.ts';
import { type Downloader, sha256 } from './downloader.ts';
import { Image } from './image.ts';
import { type Pins, type PublishedFile, publishedFiles } from './releases.ts';

/** Comparison of one line of pins.json with its upstream. */
export interface PinCheck {
  readonly pin: string;
  /** Checksum in pins.json; absent if it has no such line. */
  readonly pinned?: string;
  /** Checksum of the upstream's current file; absent if it could not be downloaded. */
  readonly found?: string;
  readonly error?: string;
}

function digestOf({ release }: PublishedFile, downloader: Downloader, signal: AbortSignal): Promise<string> {
  if (release.kind !== 'image') return downloader.digest(release.url, signal);
  return new Image(downloader, release.registry, release.repository).manifest(release.tag, signal).then(sha256);
}

/** Downloads all files of the modules, for all platforms, and compares them with the pins. */
export async function checkPins(
  modules: readonly ToolModule[],
  pins: Pins,
  downloader: Downloader,
  signal: AbortSignal,
): Promise<PinCheck[]> {
  const files = modules.flatMap((module) => [...publishedFiles(module, 'linux/amd64'), ...publishedFiles(module, 'linux/arm64')]);
  const byPin = new Map(files.map((file) => [file.pin, file]));
  const checks: PinCheck[] = [];
  for (const [pin, file] of byPin) {
    const pinned = pins[pin];
    const known = { pin, ...(pinned !== undefined && { pinned }) };
    try {
      checks.push({ ...known, found: await digestOf(file, downloader, signal) });
    } catch (error) {
      signal.throwIfAborted();
      checks.push({ ...known, error: (error as Error).message });
    }
  }
  return checks;
}

/** Formats a comparison as a line of text. */
export function renderCheck({ pin, pinned, found, error }: PinCheck): string {
  if (error !== undefined) return `unknown      ${pin}: ${error}`;
  if (pinned === undefined) return `new          "${pin}": "${found}"`;
  return pinned === found ? `same         ${pin}` : `DIFFERENT    ${pin}: pinned is ${pinned}, its upstream has ${found}`;
}
