#!/usr/bin/env node
import { createProgram } from './program.ts';

// The reader of a pipe has read enough (`fso get policies | head -1`): no error, and nobody is left to write for.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
  process.exit(0);
});

/** Of all commands only `serve`, and its help, need the settings of the hub: loading them costs what loading the hub costs. */
const hubSettings = async (): Promise<string> => {
  const [{ HUB_SETTINGS }, { formatSettings }] = await Promise.all([import('../config/config.ts'), import('@fso/shared/runtime')]);
  return formatSettings(HUB_SETTINGS);
};

await createProgram(process.argv.includes('serve') ? await hubSettings() : '').parseAsync();
