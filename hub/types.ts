import type { Clock, Runtime } from '@fso/shared/runtime';
import type { Registry } from 'prom-client';
import type { DeliveryLimits } from './delivery/index.ts';
import type { Identity, OpenIdentityOptions } from './identity/index.ts';
import type { Ledger } from './ledger/index.ts';
import type { CommitTracer } from './rollout/index.ts';
import type { Source } from './source/index.ts';

export interface HubDeps extends Pick<Runtime, 'logger' | 'random'> {
  readonly version: string;
  /** Metrics of the process itself; for programs. */
  readonly processMetrics?: boolean;
  readonly clock?: Clock;
  readonly ledger?: Ledger;
  readonly deliveryLimits?: Partial<DeliveryLimits>;
  readonly identityLimits?: OpenIdentityOptions['limits'];
  /** Absent: nothing is traced. */
  readonly tracer?: CommitTracer | undefined;
}

export interface RunningHub {
  /** Base URL of the API. */
  readonly url: string;
  /** Base URL of the agents' listener, `ws:` or `wss:`. */
  readonly agentUrl: string;
  readonly ledger: Ledger;
  readonly source: Source;
  /** Decides on the cluster of each agent; undefined if agents do not enrol. */
  readonly identity: Identity | undefined;
  readonly registry: Registry;
  /** Number of offers made, for all agents. */
  offersMade(): number;
  stop(): Promise<void>;
  /**
   * Resolves when the hub has stopped, by `stop` or by the signal; rejects when it stopped because
   * a part of it failed.
   */
  readonly stopped: Promise<void>;
}
