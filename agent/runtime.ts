import type { KubeClient } from '@fso/shared/kube';
import type { Clock, Logger } from '@fso/shared/runtime';
import type { CommitTrace } from './tracing/index.ts';

/** Services that all parts of the agent share. */
export interface AgentRuntime {
  readonly client: KubeClient;
  readonly clock: Clock;
  /** 0 ≤ x < 1. */
  readonly random: () => number;
  readonly logger: Logger;
  /** Watches the newest commit. Absent: nothing is traced. */
  readonly trace?: CommitTrace | undefined;
}
