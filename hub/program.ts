import { flushCompileCache } from 'node:module';
import { ConfigError, createLogger, type Environment, openLogOutput, proxyFetch, startWatchdog, systemClock } from '@fso/shared/runtime';
import { traceFields } from '@fso/shared/telemetry';
import { loadHubConfig } from './config/config.ts';
import { startHub } from './hub.ts';
import { LedgerError } from './ledger/index.ts';
import manifest from './package.json' with { type: 'json' };
import { startTracing } from './rollout/index.ts';

const runUntilStopped = async (env: Environment, signal: AbortSignal): Promise<void> => {
  const config = await loadHubConfig(env);
  const { version } = manifest;
  startWatchdog();
  const mixin = config.telemetry && traceFields;
  const logger = createLogger({ name: 'fso-hub', level: config.logLevel, destination: openLogOutput(), mixin });
  for (const file of config.secretFiles ?? []) file.logTo(logger);
  if (config.proxy !== undefined) void proxyFetch(config.proxy, systemClock, signal);
  const tracing = config.telemetry && (await startTracing(config.telemetry, version, logger));
  try {
    const hub = await startHub(config, { logger, version, random: Math.random, processMetrics: true, tracer: tracing?.tracer }, signal);
    // Node.js writes its compile cache only on a clean exit. Flushing it now speeds up the next
    // start in any case.
    flushCompileCache();
    await hub.stopped;
  } finally {
    await tracing?.stop();
  }
};

/** Whether the message says how to fix the cause, so that a stack trace would not help. */
const isForPeople = (error: unknown): error is Error =>
  error instanceof ConfigError || error instanceof LedgerError || (error instanceof Error && error.message.startsWith('cannot listen'));

/**
 * Reads the settings from the environment, runs the hub, and resolves once it has stopped. Errors
 * are written to standard error.
 *
 * @param signal stops the hub
 * @returns exit code: 0 if the hub was stopped, 1 if it could not start or a part of it failed
 */
export const runHub = async (env: Environment, signal: AbortSignal): Promise<0 | 1> => {
  try {
    await runUntilStopped(env, signal);
    return 0;
  } catch (error) {
    // Aborted before the start was complete.
    if (signal.aborted && error === signal.reason) return 0;
    console.error(isForPeople(error) ? error.message : error);
    return 1;
  }
};
