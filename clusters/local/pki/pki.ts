import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ClusterPaths, ClusterState } from '../state.ts';
import { type CertificateRequest, createAuthority, createSigningKeys, issueCertificate, type KeyPair } from './certificates.ts';
import { writeKubeconfig } from './kubeconfig.ts';

const LOCALHOST = { dns: ['localhost'], ip: ['127.0.0.1'] };
/** Names of the API server. Pods call it at the first address of the service range. */
const API_SERVER_NAMES = {
  dns: ['localhost', 'kubernetes', 'kubernetes.default', 'kubernetes.default.svc'],
  ip: ['127.0.0.1', '10.96.0.1'],
};
// Written last: a folder without this file is from an interrupted start.
const SEAL = 'complete';

/** User name of Gatekeeper at the API server. */
export const GATEKEEPER_USER = 'system:serviceaccount:gatekeeper-system:gatekeeper-admin';
/** User name of kwok at the API server. */
export const KWOK_USER = 'system:kwok-controller';

/** Name of the key pair with which the API server connects to kubelets, if the cluster has any. */
const KUBELET_CLIENT = 'apiserver-kubelet-client';

const certificateFile = (pki: string, name: string): string => join(pki, `${name}.crt`);
const keyFile = (pki: string, name: string): string => join(pki, `${name}.key`);

/** Writes a certificate, and its key, which only the user can read. */
export function writePair(pki: string, name: string, pair: KeyPair): void {
  writeFileSync(certificateFile(pki, name), pair.certificate);
  writeFileSync(keyFile(pki, name), pair.key, { mode: 0o600 });
}

/** Reads a certificate and its key. @throws Error if a file is missing */
export const readPair = (pki: string, name: string): KeyPair => ({
  certificate: readFileSync(certificateFile(pki, name), 'utf8'),
  key: readFileSync(keyFile(pki, name), 'utf8'),
});

/**
 * Flags of the API server for clusters with kubelets, which it calls for logs and terminals of
 * pods.
 */
export const kubeletClientArgs = ({ pki }: ClusterPaths): readonly string[] => [
  `--kubelet-client-certificate=${certificateFile(pki, KUBELET_CLIENT)}`,
  `--kubelet-client-key=${keyFile(pki, KUBELET_CLIENT)}`,
  '--kubelet-preferred-address-types=InternalIP',
];

/** Address of a cluster's API server on this machine. */
export const serverUrl = (state: ClusterState): string => `https://127.0.0.1:${state.ports.apiServer}`;

/** Issues a client certificate and writes it as a kubeconfig. */
export async function writeUserKubeconfig(
  file: string,
  paths: ClusterPaths,
  state: ClusterState,
  request: CertificateRequest,
): Promise<void> {
  const authority = readPair(paths.pki, 'ca');
  const client = await issueCertificate(authority, request);
  const user = request.commonName;
  writeKubeconfig(file, { cluster: state.name, user, server: serverUrl(state), authority: authority.certificate, client });
}

/** Users of the cluster's own programs, by name of their kubeconfig. */
const PROGRAM_USERS: Readonly<Record<string, CertificateRequest>> = {
  'controller-manager': { commonName: 'system:kube-controller-manager' },
  scheduler: { commonName: 'system:kube-scheduler' },
  // The name of its ServiceAccount gives Gatekeeper only the rights of its manifest.
  gatekeeper: {
    commonName: GATEKEEPER_USER,
    organizations: ['system:serviceaccounts', 'system:serviceaccounts:gatekeeper-system'],
  },
  kwok: { commonName: KWOK_USER },
};

/** Folder with the certificate of Gatekeeper's webhook, and nothing else. */
export const webhookCertificates = (paths: ClusterPaths): string => join(paths.pki, 'webhook');

/** Path of the kubeconfig of one component, such as the scheduler. */
export const programKubeconfig = (paths: ClusterPaths, program: string): string => join(paths.pki, `${program}.kubeconfig`);

/**
 * Creates all keys and certificates of a cluster, once. etcd has its own CA, so that a user's
 * certificate does not give access to it.
 */
export async function ensurePki(paths: ClusterPaths, state: ClusterState): Promise<void> {
  const { pki } = paths;
  if (existsSync(join(pki, SEAL))) return;
  const authority = await createAuthority(`fso-${state.name}`);
  const storeAuthority = await createAuthority(`fso-${state.name}-etcd`);
  const tokens = createSigningKeys();
  writePair(pki, 'ca', authority);
  writePair(pki, 'etcd-ca', storeAuthority);
  writeFileSync(join(pki, 'service-accounts.key'), tokens.privateKey, { mode: 0o600 });
  writeFileSync(join(pki, 'service-accounts.pub'), tokens.publicKey);
  writePair(pki, 'apiserver', await issueCertificate(authority, { commonName: 'kube-apiserver', serverNames: API_SERVER_NAMES }));
  mkdirSync(webhookCertificates(paths), { recursive: true });
  writePair(
    webhookCertificates(paths),
    'tls',
    await issueCertificate(authority, { commonName: 'gatekeeper-webhook', serverNames: LOCALHOST }),
  );
  writePair(pki, 'etcd', await issueCertificate(storeAuthority, { commonName: 'etcd', serverNames: LOCALHOST }));
  writePair(pki, 'etcd-client', await issueCertificate(storeAuthority, { commonName: 'kube-apiserver' }));
  const kubeletClient = { commonName: 'kube-apiserver-kubelet-client', organizations: ['system:masters'] };
  writePair(pki, KUBELET_CLIENT, await issueCertificate(authority, kubeletClient));
  for (const [program, request] of Object.entries(PROGRAM_USERS)) {
    await writeUserKubeconfig(programKubeconfig(paths, program), paths, state, request);
  }
  await writeUserKubeconfig(paths.kubeconfig, paths, state, { commonName: 'fso-admin', organizations: ['system:masters'] });
  writeFileSync(join(pki, SEAL), '');
}
