import { chmod, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { objectPath, openApi, readManifest } from '../local/api.ts';
import { readKubeconfig } from '../local/pki/kubeconfig.ts';

const RBAC = join(import.meta.dirname, '..', '..', 'deploy', 'agent', 'rbac.yaml');
const TOKEN_PATH = '/api/v1/namespaces/federated-sovereignty-system/serviceaccounts/fso-agent/token';
const TOKEN_SECONDS = 24 * 60 * 60;

/**
 * Creates the agent's service account in a cluster, with the rights of deploy/agent/rbac.yaml, and
 * writes a kubeconfig with a token of it. The agent runs outside of a pod with the rights that it
 * would have in one.
 *
 * @param rbac path of the manifest, which may be of another version of this repository
 */
export async function writeAgentKubeconfig(adminKubeconfig: string, file: string, rbac: string = RBAC): Promise<void> {
  const { server, authority } = readKubeconfig(adminKubeconfig);
  const api = openApi(adminKubeconfig);
  try {
    for (const object of readManifest(rbac)) await api.apply(objectPath(object), object);
    const request = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec: { expirationSeconds: TOKEN_SECONDS } };
    const { status } = await api.send<{ status: { token: string } }>('POST', TOKEN_PATH, request);
    const ca = Buffer.from(authority).toString('base64');
    const config = {
      apiVersion: 'v1',
      kind: 'Config',
      clusters: [{ name: 'cluster', cluster: { server, 'certificate-authority-data': ca } }],
      users: [{ name: 'fso-agent', user: { token: status.token } }],
      contexts: [{ name: 'fso-agent', context: { cluster: 'cluster', user: 'fso-agent' } }],
      'current-context': 'fso-agent',
    };
    await writeFile(file, stringify(config), { mode: 0o600 });
    await chmod(file, 0o600);
  } finally {
    api.close();
  }
}
