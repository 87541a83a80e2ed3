import { type Logger, systemClock } from '@fso/shared/runtime';
import { openTelemetry, type TelemetryConfig } from '@fso/shared/telemetry';
import type { CommitTrace } from './commit-trace.ts';

/** Names for the spans of this agent, and its log. */
export interface TracedAgent {
  readonly cluster: string;
  readonly version: string;
  readonly logger: Logger;
}

/** Running traces. */
export interface Tracing {
  readonly trace: CommitTrace;
  /** Ends all spans and exports them, for a few seconds at most. Never rejects. */
  stop(): Promise<void>;
}

/** Starts the traces of an agent. Loads the libraries only then. */
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
