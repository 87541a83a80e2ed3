import type { FleetCluster } from './definition.ts';
import type { Environment } from './toolchain/go/go.ts';
import type { Log } from './toolchain/progress.ts';

/** Ways to run a cluster; `auto`: local processes where their tools are ready, else kind. */
export const PROVIDERS = ['auto', 'kind', 'local'] as const;
export type ProviderName = Exclude<(typeof PROVIDERS)[number], 'auto'>;

/** Settings of a cluster that is started. */
export interface UpOptions {
  readonly stateDir: string;
  readonly gatekeeper: boolean;
  readonly gatekeeperAuditSeconds: number;
  readonly basePort?: number;
  readonly env: Environment;
  readonly log: Log;
  /** Progress that is rewritten; absent where output is no terminal. */
  readonly status?: Log;
}

/** Starts clusters of one sort. */
export interface Provider {
  readonly name: ProviderName;
  /** Gets what all clusters need, once. */
  prepare(options: UpOptions, signal: AbortSignal): Promise<void>;
  /** @returns false when the cluster was up already. */
  up(cluster: FleetCluster, options: UpOptions, signal: AbortSignal): Promise<boolean>;
  /** Ends a cluster and removes what it left; @returns what was ended, for people. */
  down(cluster: string, stateDir: string, signal: AbortSignal): Promise<string>;
}
