import { ADMISSION_POLICY_BINDING_KIND, type KubeClient } from '@fso/shared/kube';

/** Path of the configuration by which the API server calls Gatekeeper. */
export const GATEKEEPER_WEBHOOKS =
  '/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/gatekeeper-validating-webhook-configuration';

/** The same for its mutations, which it is asked for whether there are any or not. */
export const GATEKEEPER_MUTATING_WEBHOOKS =
  '/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/gatekeeper-mutating-webhook-configuration';

/**
 * Takes lock 1 away, as a cluster administrator while no agent runs. The API server forgets it
 * about a second later.
 */
export const removeFloor = async (client: KubeClient, signal: AbortSignal): Promise<void> => {
  for (const { metadata } of await client.list(ADMISSION_POLICY_BINDING_KIND, {}, signal)) {
    if (metadata.name.startsWith('fso-floor-')) await client.delete(ADMISSION_POLICY_BINDING_KIND, { name: metadata.name }, signal);
  }
};
