import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ImageBuilder, imageFigures } from '../harness/image-files.ts';
import { writeFigures } from './figures.ts';
import { readOptions } from './options.ts';

/**
 * Prints the size of the files that each image adds to its base, built from the Dockerfile. This
 * includes building the dashboard, which takes most of the time.
 */
export const images = async (args: string[]): Promise<void> => {
  const { json } = readOptions(args, { json: { type: 'string' } });
  const folder = await mkdtemp(join(tmpdir(), 'fso-images-'));
  try {
    const builder = new ImageBuilder(folder, {});
    const agent = await imageFigures(await builder.build('agent'));
    const hub = await imageFigures(await builder.build('hub'));
    console.table({ agent, hub });
    await writeFigures(json, { agent, hub });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
};
