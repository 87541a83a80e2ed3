import { CANARY_NAMESPACE } from '@fso/shared/api';
import { createKubeClient } from '@fso/shared/kube';
import { CANARY_GOVERNANCE, isFloorName } from './enforce/index.ts';
import { askForPod, judgeMustDeny, NO_REGION } from './probe/index.ts';

interface VerifyContext {
  readonly kubeconfig: string | undefined;
  readonly version: string;
}

/**
 * Runs `fso-agent verify`: asks the API server for a pod that lock 1 must refuse, as a dry run. The
 * agent proves more, and all the time; this is one look from outside of it, for `helm test`.
 *
 * @returns the exit status
 */
export const runVerify = async ({ kubeconfig, version }: VerifyContext, signal: AbortSignal): Promise<number> => {
  const client = createKubeClient({ kubeconfig, userAgent: `fso-agent-verify/${version}` });
  try {
    const answer = await askForPod(client, { namespace: CANARY_NAMESPACE, region: NO_REGION }, signal);
    const verdict = judgeMustDeny(answer, CANARY_GOVERNANCE, { isFloorPolicy: isFloorName });
    if (verdict.kind === 'proven') {
      process.stdout.write(`the API server refuses a pod in no allowed region of ${CANARY_NAMESPACE}\n`);
      return 0;
    }
    process.stderr.write(`fso-agent verify: ${verdict.message}\n`);
    return 1;
  } finally {
    await client.close();
  }
};
