import { type Logger, systemClock } from '@fso/shared/runtime';
import { openTelemetry, type TelemetryConfig } from '@fso/shared/telemetry';
import type { CommitTrace } from './commit-trace.ts';

/** Names that spans of this agent carry, and its log. */
export interface TracedAgent {
  readonly cluster: string;
  readonly version: string;
  readonly logger: Logger;
}

/** Traces that are on, until they are stopped. */
export interface Tracing {
  readonly trace: CommitTrace;
  /** Ends all spans and exports them, for some seconds at most. Never rejects. */
  stop(): Promise<void>;
}

/** Starts the traces of an agent, and loads what they need only then. */
export const startTracing = async (config: TelemetryConfig, { cluster, version, logger }: TracedAgent): Promise<Tracing> => {
  const identity = { name: 'fso-agent', version, attributes: { 'k8s.cluster.name': cluster } };
  const { tracer, stop } = await openTelemetry(config, identity, logger);
  const { CommitTrace } = await import('./commit-trace.ts');
  const trace = new CommitTrace({ tracer, cluster, clock: systemClock });
  return {
    trace,
    stop: () => {
      trace.stop();
      return stop();
    },
  };
};
