import type { ApiObject } from './api.ts';
import { GATEKEEPER_NAMESPACE, GATEKEEPER_POD } from './commands.ts';

const RBAC_KINDS = new Set(['ServiceAccount', 'Role', 'ClusterRole', 'RoleBinding', 'ClusterRoleBinding']);
const WEBHOOK_KINDS = new Set(['MutatingWebhookConfiguration', 'ValidatingWebhookConfiguration']);

/** Objects of Gatekeeper's manifest, in the order of their installation. */
export interface GatekeeperObjects {
  readonly namespaces: readonly ApiObject[];
  readonly definitions: readonly ApiObject[];
  readonly rights: readonly ApiObject[];
  readonly webhooks: readonly ApiObject[];
}

interface ClientConfig {
  readonly service?: { readonly path?: string };
}

interface Webhook {
  readonly clientConfig: ClientConfig;
}

/** Makes the API server call a webhook by URL, because Gatekeeper runs outside of the cluster. */
function byAddress(configuration: ApiObject, port: number, authority: string): ApiObject {
  const webhooks = (configuration['webhooks'] as Webhook[]).map((webhook) => ({
    ...webhook,
    clientConfig: {
      url: `https://127.0.0.1:${port}${webhook.clientConfig.service?.path ?? ''}`,
      caBundle: Buffer.from(authority).toString('base64'),
    },
  }));
  return { ...configuration, webhooks };
}

/**
 * Selects the objects of Gatekeeper's manifest that a process outside of the cluster needs.
 * Deployments, Service and Secret are left out.
 */
export function gatekeeperObjects(manifest: readonly ApiObject[], port: number, authority: string): GatekeeperObjects {
  return {
    namespaces: manifest.filter(({ kind }) => kind === 'Namespace'),
    definitions: manifest.filter(({ kind }) => kind === 'CustomResourceDefinition'),
    rights: manifest.filter(({ kind }) => RBAC_KINDS.has(kind)),
    webhooks: manifest.filter(({ kind }) => WEBHOOK_KINDS.has(kind)).map((object) => byAddress(object, port, authority)),
  };
}

/**
 * Pod that owns the status that Gatekeeper writes about itself (`status.byPod`). Gatekeeper finds
 * it by POD_NAME. Its namespace enforces the Pod Security level "restricted".
 */
export const GATEKEEPER_POD_OBJECT: ApiObject = {
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: {
    name: GATEKEEPER_POD,
    namespace: GATEKEEPER_NAMESPACE,
    labels: { 'gatekeeper.sh/system': 'yes' },
    annotations: { 'fso.federated.io/note': 'Stands for the Gatekeeper process that runs beside this cluster.' },
  },
  spec: {
    serviceAccountName: 'gatekeeper-admin',
    automountServiceAccountToken: false,
    securityContext: { runAsNonRoot: true, runAsUser: 1000, seccompProfile: { type: 'RuntimeDefault' } },
    containers: [
      {
        name: 'manager',
        image: 'openpolicyagent/gatekeeper',
        securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } },
      },
    ],
  },
};
