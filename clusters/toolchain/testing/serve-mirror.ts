/**
 * Serves the programs that were built on this machine in the format of their upstreams, to test
 * downloads without network access. Builds missing programs, prints the settings for other
 * commands, and runs until Ctrl-C.
 *
 *   node clusters/toolchain/testing/serve-mirror.ts
 */
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { LOCAL_TOOLS } from '../modules.ts';
import { type Pins, publishedFiles, thisPlatform } from '../releases/releases.ts';
import { ensureTools } from '../tools.ts';
import { Mirror } from './mirror.ts';

const print = (line: string): void => void process.stdout.write(`${line}\n`);
const platform = thisPlatform();
if (platform === undefined) throw new Error('there are no releases for this platform');
const env = { ...process.env, FSO_TOOLS: 'build' };
const folders = await ensureTools({ env, log: print }, new AbortController().signal);
const mirror = await Mirror.start();
const pins: Record<string, string> = {};
for (const module of LOCAL_TOOLS) {
  for (const file of publishedFiles(module, platform)) {
    pins[file.pin] = mirror.serveRelease(file.release, readFileSync(join(folders[module.name] ?? '', file.name)));
  }
}
const pinsFile = join(mkdtempSync(join(tmpdir(), 'fso-mirror-')), 'pins.json');
writeFileSync(pinsFile, JSON.stringify(pins satisfies Pins, undefined, 2));
print(`FSO_TOOLS_MIRROR=${mirror.url} FSO_TOOLS_PINS=${pinsFile} XDG_CACHE_HOME=$(mktemp -d)`);
