import type { KubeClient } from '@fso/shared/kube';
import type { Runtime } from '@fso/shared/runtime';
import type { CommitTrace } from './tracing/index.ts';

/** Services that all parts of the agent share. */
export interface AgentRuntime extends Runtime {
  readonly client: KubeClient;
  /** Traces the newest commit. Absent: commits are not traced. */
  readonly trace?: CommitTrace | undefined;
}
