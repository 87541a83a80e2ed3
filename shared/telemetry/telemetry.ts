import type { Tracer } from '@opentelemetry/api';
import type { Logger } from '../runtime/index.ts';
import type { TelemetryConfig } from './settings.ts';

/** What a program is in its traces. */
export interface ProgramIdentity {
  readonly name: string;
  readonly version: string;
  /** More of it, by names of the semantic conventions. */
  readonly attributes?: Readonly<Record<string, string>>;
}

/** Makes spans and exports them. */
export interface Telemetry {
  readonly tracer: Tracer;
  /** Exports what waits, for some seconds at most. Never rejects. */
  stop(): Promise<void>;
}

/**
 * Starts the export of traces. OpenTelemetry's SDK is loaded here: a program without traces does not pay for it.
 *
 * @param logger learns when the collector is away, and when it is back
 */
export const openTelemetry = async (config: TelemetryConfig, identity: ProgramIdentity, logger: Logger): Promise<Telemetry> =>
  (await import('./sdk.ts')).startSdk(config, identity, logger);
