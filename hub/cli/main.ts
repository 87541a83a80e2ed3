#!/usr/bin/env node
import { createProgram, runProcess } from './program.ts';

/**
 * Loads the settings of the hub. Only `serve` and its help need them, and loading them takes as
 * long as loading the hub.
 */
const hubSettings = async (): Promise<string> => {
  const [{ HUB_SETTINGS }, { formatSettings }] = await Promise.all([import('../config/config.ts'), import('@fso/shared/runtime')]);
  return formatSettings(HUB_SETTINGS);
};

await runProcess(createProgram(process.argv.includes('serve') ? await hubSettings() : ''));
