import type { Logger } from '../runtime/index.ts';
import type { ProgramIdentity, Telemetry } from './sdk.ts';
import type { TelemetryConfig } from './settings.ts';

/**
 * Starts the export of traces. OpenTelemetry's SDK is loaded here: a program without traces does
 * not pay for it.
 *
 * @param logger learns when the collector is away, and when it is back
 */
export const openTelemetry = async (config: TelemetryConfig, identity: ProgramIdentity, logger: Logger): Promise<Telemetry> =>
  (await import('./sdk.ts')).startSdk(config, identity, logger);
