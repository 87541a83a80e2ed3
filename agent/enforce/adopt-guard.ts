import { LABELS } from '@fso/shared/api';
import { ADMISSION_POLICY_KIND, type KubeClient } from '@fso/shared/kube';
import { runAction } from './apply.ts';
import { planGuard } from './guard.ts';
import type { Trust } from './trust.ts';

/**
 * Writes the guard that is there for this agent. Under another user name than the agent before it, it would be refused
 * everything else, the lease and its CRDs first of all; admission policies are exempt from admission.
 *
 * @throws KubeApiError, KubeConnectionError
 */
export const adoptGuard = async (client: KubeClient, trust: Trust, signal: AbortSignal): Promise<void> => {
  const present = await client.list(ADMISSION_POLICY_KIND, { labelSelector: `${LABELS.component}=guard` }, signal);
  const keys = new Set(present.map(({ metadata }) => `${ADMISSION_POLICY_KIND.kind}/${metadata.name}`));
  // What is missing is no hindrance, and for the leader to find.
  const actions = planGuard(present, [], trust).filter(({ key, type }) => keys.has(key) && type !== 'delete');
  for (const action of actions) await runAction(client, action, signal);
};
