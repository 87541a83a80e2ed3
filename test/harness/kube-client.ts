import { createKubeClient, type KubeClient, type KubeClientOptions } from '@fso/shared/kube';
import { HANG_MS } from './waiting.ts';

/** A client for tests: an API server of a busy machine may take its time. */
export const openKubeClient = (options: KubeClientOptions): KubeClient => createKubeClient({ timeoutMs: HANG_MS, ...options });

/** The text with which a request is refused; '' = it succeeded. */
export const refusalOf = (request: Promise<unknown>): Promise<string> =>
  request.then(
    () => '',
    (error: Error) => error.message,
  );
