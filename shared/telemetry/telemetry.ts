import type { Logger } from '../runtime/index.ts';
import type { ProgramIdentity, Telemetry } from './sdk.ts';
import type { TelemetryConfig } from './settings.ts';

/**
 * Starts the export of traces. OpenTelemetry's SDK is loaded on demand, so that a program without
 * traces does not pay for it.
 *
 * @param logger logs when the collector becomes unreachable, and when it is reachable again
 */
export const openTelemetry = async (config: TelemetryConfig, identity: ProgramIdentity, logger: Logger): Promise<Telemetry> =>
  (await import('./sdk.ts')).startSdk(config, identity, logger);
