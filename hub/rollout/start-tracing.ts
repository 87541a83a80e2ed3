import type { Logger } from '@fso/shared/runtime';
import { openTelemetry, type TelemetryConfig } from '@fso/shared/telemetry';
import type { CommitTracer } from './history/commit-tracer.ts';

/** Running export of the hub's spans. */
export interface Tracing {
  readonly tracer: CommitTracer;
  /** Exports the pending spans, for a few seconds at most. Never rejects. */
  readonly stop: () => Promise<void>;
}

/**
 * Starts the tracing of a hub. A hub that does not trace loads only the parts of OpenTelemetry that
 * its metrics need.
 */
export const startTracing = async (config: TelemetryConfig, version: string, logger: Logger): Promise<Tracing> => {
  const telemetry = await openTelemetry(config, { name: 'fso-hub', version }, logger);
  const { CommitTracer } = await import('./history/commit-tracer.ts');
  return { tracer: new CommitTracer(telemetry), stop: telemetry.stop };
};
