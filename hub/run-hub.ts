import { flushCompileCache } from 'node:module';
import { ConfigError, createLogger, type Environment, startWatchdog } from '@fso/shared/runtime';
import { loadHubConfig } from './config/config.ts';
import { startHub } from './hub.ts';
import { LedgerError } from './ledger/index.ts';
import manifest from './package.json' with { type: 'json' };

const runUntilStopped = async (env: Environment, signal: AbortSignal): Promise<void> => {
  const config = await loadHubConfig(env);
  startWatchdog();
  const logger = createLogger({ name: 'fso-hub', level: config.logLevel });
  const hub = await startHub(config, { logger, version: manifest.version, random: Math.random, processMetrics: true }, signal);
  // Otherwise only an orderly end writes the cache that saves the next start from stripping types and compiling.
  flushCompileCache();
  await hub.stopped;
};

/** Whether the message tells people how to fix the cause, so that a stack would not help. */
const isForPeople = (error: unknown): error is Error =>
  error instanceof ConfigError || error instanceof LedgerError || (error instanceof Error && error.message.startsWith('cannot listen'));

/**
 * Runs the hub of a program: reads its settings from the environment, starts it, and resolves once it has stopped. An error goes to the
 * standard error output.
 *
 * @param signal stops the hub
 * @returns exit code: 0 when the hub was stopped, 1 when it could not start or a part of it failed
 */
export const runHub = async (env: Environment, signal: AbortSignal): Promise<0 | 1> => {
  try {
    await runUntilStopped(env, signal);
    return 0;
  } catch (error) {
    // Stopped before the start was complete.
    if (signal.aborted && error === signal.reason) return 0;
    console.error(isForPeople(error) ? error.message : error);
    return 1;
  }
};
