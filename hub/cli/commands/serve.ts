import { shutdownSignal } from '@fso/shared/runtime';
import { runHub } from '../../run-hub.ts';

/** `fso serve`: runs the hub in this process. Its settings are environment variables, as those of the hub's own program. */
export const serve = async (): Promise<void> => {
  process.exitCode = await runHub(process.env, shutdownSignal());
};
