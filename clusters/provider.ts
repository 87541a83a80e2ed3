import type { FleetCluster } from './definition.ts';
import type { Environment } from './toolchain/go/go.ts';
import type { Log } from './toolchain/progress.ts';

/** Providers of clusters; `auto` is local processes if their tools are ready, else kind. */
export const PROVIDERS = ['auto', 'kind', 'local'] as const;
export type ProviderName = Exclude<(typeof PROVIDERS)[number], 'auto'>;

/** Settings for the start of a cluster. */
export interface UpOptions {
  readonly stateDir: string;
  readonly gatekeeper: boolean;
  readonly gatekeeperAuditSeconds: number;
  readonly basePort?: number;
  readonly env: Environment;
  readonly log: Log;
  /** Prints progress that is rewritten; absent if the output is no terminal. */
  readonly status?: Log;
}

/** Starts and ends clusters of one kind. */
export interface Provider {
  readonly name: ProviderName;
  /** Prepares what all clusters need, once. */
  prepare(options: UpOptions, signal: AbortSignal): Promise<void>;
  /** @returns false if the cluster was already running */
  up(cluster: FleetCluster, options: UpOptions, signal: AbortSignal): Promise<boolean>;
  /** Ends a cluster and removes its files. @returns a description of what was ended */
  down(cluster: string, stateDir: string, signal: AbortSignal): Promise<string>;
}
