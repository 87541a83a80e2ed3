import {
  ADMISSION_POLICY_BINDING_KIND,
  ADMISSION_POLICY_KIND,
  CONSTRAINT_TEMPLATE_KIND,
  GEO_RESIDENCY_KIND,
  type KindDescriptor,
  type KubeClient,
} from '@fso/shared/kube';
import { eventually } from './waiting.ts';

/** Path of the configuration by which the API server calls Gatekeeper. */
export const GATEKEEPER_WEBHOOKS =
  '/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/gatekeeper-validating-webhook-configuration';

/** The same for its mutations, which it is asked for whether there are any or not. */
export const GATEKEEPER_MUTATING_WEBHOOKS =
  '/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/gatekeeper-mutating-webhook-configuration';

const named = async (client: KubeClient, kind: KindDescriptor, prefix: string, signal: AbortSignal): Promise<string[]> =>
  (await client.list(kind, {}, signal)).map(({ metadata }) => metadata.name).filter((name) => name.startsWith(prefix));

const removeNamed = async (client: KubeClient, kind: KindDescriptor, prefix: string, signal: AbortSignal): Promise<void> => {
  for (const name of await named(client, kind, prefix, signal)) await client.delete(kind, { name }, signal);
};

/** Takes lock 1 away, as a cluster administrator while no agent runs. The API server forgets it about a second later. */
export const removeFloor = async (client: KubeClient, signal: AbortSignal): Promise<void> => {
  await removeNamed(client, ADMISSION_POLICY_BINDING_KIND, 'fso-floor-', signal);
};

/** Takes both locks, and what guards them, away, as a cluster administrator while no agent runs. */
export const removeLocks = async (client: KubeClient, signal: AbortSignal): Promise<void> => {
  await removeNamed(client, ADMISSION_POLICY_BINDING_KIND, 'fso-', signal);
  await removeNamed(client, ADMISSION_POLICY_KIND, 'fso-', signal);
  // A guard may still be in force for a moment.
  await eventually(async () => {
    await removeNamed(client, GEO_RESIDENCY_KIND, '', signal);
    await removeNamed(client, CONSTRAINT_TEMPLATE_KIND, GEO_RESIDENCY_KIND.plural, signal);
    return (await client.get(CONSTRAINT_TEMPLATE_KIND, { name: GEO_RESIDENCY_KIND.plural }, signal)) === undefined;
  });
};
