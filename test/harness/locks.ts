import { ADMISSION_POLICY_BINDING_KIND, type KubeClient } from '@fso/shared/kube';

/** Path of the configuration that makes the API server call Gatekeeper. */
export const GATEKEEPER_WEBHOOKS =
  '/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/gatekeeper-validating-webhook-configuration';

/**
 * Path of the configuration for Gatekeeper's mutations, for which it is called even if there are
 * none.
 */
export const GATEKEEPER_MUTATING_WEBHOOKS =
  '/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/gatekeeper-mutating-webhook-configuration';

/**
 * Removes lock 1, like a cluster administrator while no agent runs. The API server stops enforcing
 * it about a second later.
 */
export const removeFloor = async (client: KubeClient, signal: AbortSignal): Promise<void> => {
  for (const { metadata } of await client.list(ADMISSION_POLICY_BINDING_KIND, {}, signal)) {
    if (metadata.name.startsWith('fso-floor-')) await client.delete(ADMISSION_POLICY_BINDING_KIND, { name: metadata.name }, signal);
  }
};
