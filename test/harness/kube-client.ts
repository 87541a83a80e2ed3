import { createKubeClient, type KubeClient, type KubeClientOptions } from '@fso/shared/kube';
import { HANG_MS } from './waiting.ts';

/** Opens a client for tests, with a timeout for API servers on a busy machine. */
export const openKubeClient = (options: KubeClientOptions): KubeClient => createKubeClient({ timeoutMs: HANG_MS, ...options });

/** Returns the text with which a request is refused; '' if it succeeds. */
export const refusalOf = (request: Promise<unknown>): Promise<string> =>
  request.then(
    () => '',
    (error: Error) => error.message,
  );
