import type { Logger } from '@fso/shared/runtime';
import { openTelemetry, type TelemetryConfig } from '@fso/shared/telemetry';
import type { CommitTracer } from './history/commit-tracer.ts';

/** Running export of the hub's spans. */
export interface Tracing {
  readonly tracer: CommitTracer;
  /** Exports what waits, for some seconds at most. Never rejects. */
  readonly stop: () => Promise<void>;
}

/**
 * Starts the traces of a hub. A hub without them loads nothing of OpenTelemetry but what its
 * metrics do.
 */
export const startTracing = async (config: TelemetryConfig, version: string, logger: Logger): Promise<Tracing> => {
  const telemetry = await openTelemetry(config, { name: 'fso-hub', version }, logger);
  const { CommitTracer } = await import('./history/commit-tracer.ts');
  return { tracer: new CommitTracer(telemetry), stop: telemetry.stop };
};
