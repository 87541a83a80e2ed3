import type { KubeClient } from '@fso/shared/kube';
import type { BackoffOptions, Runtime } from '@fso/shared/runtime';
import type { CommitTrace } from './tracing/index.ts';

/** Waits between attempts of a request to the API server that is repeated until it succeeds. */
export const API_RETRY: Pick<BackoffOptions, 'baseMs' | 'maxMs'> = { baseMs: 500, maxMs: 30_000 };

/** Services that all parts of the agent share. */
export interface AgentRuntime extends Runtime {
  readonly client: KubeClient;
  /** Traces the newest commit. Absent: commits are not traced. */
  readonly trace?: CommitTrace | undefined;
}
