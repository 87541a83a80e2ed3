import { flushCompileCache } from 'node:module';
import { createLogger, type Environment, startWatchdog } from '@fso/shared/runtime';
import { loadHubConfig } from './config/config.ts';
import { type RunningHub, startHub } from './hub.ts';
import manifest from './package.json' with { type: 'json' };

/**
 * Starts the hub as a program does, from its environment: `hub/main.ts` and `fso serve` are this and nothing else.
 *
 * @throws ConfigError with every problem of the environment; Error when an address cannot be had
 */
export const runHub = async (env: Environment, signal: AbortSignal): Promise<RunningHub> => {
  const config = await loadHubConfig(env);
  startWatchdog();
  const logger = createLogger({ name: 'fso-hub', level: config.logLevel });
  const hub = await startHub(config, { logger, version: manifest.version, random: Math.random, processMetrics: true }, signal);
  // Else only an orderly end writes what the next start goes without: stripping types, and compiling.
  flushCompileCache();
  return hub;
};
