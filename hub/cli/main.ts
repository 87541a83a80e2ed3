#!/usr/bin/env node
import { createProgram, runProgram } from './program.ts';

/** Of all commands only `serve`, and its help, need the settings of the hub: loading them costs what loading the hub costs. */
const hubSettings = async (): Promise<string> => {
  const [{ HUB_SETTINGS }, { formatSettings }] = await Promise.all([import('../config/config.ts'), import('@fso/shared/runtime')]);
  return formatSettings(HUB_SETTINGS);
};

await runProgram(createProgram(process.argv.includes('serve') ? await hubSettings() : ''));
