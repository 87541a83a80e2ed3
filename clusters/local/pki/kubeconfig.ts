import { chmodSync, readFileSync, writeFileSync } from 'node:fs';
import { parse, stringify } from 'yaml';
import type { KeyPair } from './certificates.ts';

/** Address of an API server, and the client certificate for it. */
export interface ClientCredentials {
  readonly server: string;
  /** CA that signed the server's certificate, PEM. */
  readonly authority: string;
  readonly certificate: string;
  readonly key: string;
}

/** Names and contents of a kubeconfig. */
export interface KubeconfigOptions {
  readonly cluster: string;
  readonly user: string;
  readonly server: string;
  readonly authority: string;
  readonly client: KeyPair;
}

const base64 = (text: string): string => Buffer.from(text).toString('base64');
const text = (encoded: string | undefined): string => Buffer.from(encoded ?? '', 'base64').toString();

/** Formats a kubeconfig that needs no other file and verifies the server. */
export function renderKubeconfig(options: KubeconfigOptions): string {
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: options.cluster, cluster: { server: options.server, 'certificate-authority-data': base64(options.authority) } }],
    users: [
      {
        name: options.user,
        user: { 'client-certificate-data': base64(options.client.certificate), 'client-key-data': base64(options.client.key) },
      },
    ],
    contexts: [{ name: options.cluster, context: { cluster: options.cluster, user: options.user } }],
    'current-context': options.cluster,
  };
  // Kubernetes reads YAML 1.1, where an unquoted `off` is false.
  return stringify(config, { version: '1.1' });
}

/** Writes a kubeconfig that only its owner can read, because it contains a key. */
export function writeKubeconfig(file: string, options: KubeconfigOptions): void {
  writeFileSync(file, renderKubeconfig(options), { mode: 0o600 });
  // The mode above only applies to a new file.
  chmodSync(file, 0o600);
}

interface KubeconfigFile {
  readonly clusters: readonly { readonly cluster: Readonly<Record<string, string>> }[];
  readonly users: readonly { readonly user: Readonly<Record<string, string>> }[];
}

/**
 * Reads a kubeconfig with one cluster and one user with a client certificate, as written above and
 * by kind.
 */
export function readKubeconfig(file: string): ClientCredentials {
  const config = parse(readFileSync(file, 'utf8')) as KubeconfigFile;
  const cluster = config.clusters[0]?.cluster ?? {};
  const user = config.users[0]?.user ?? {};
  return {
    server: cluster['server'] ?? '',
    authority: text(cluster['certificate-authority-data']),
    certificate: text(user['client-certificate-data']),
    key: text(user['client-key-data']),
  };
}
