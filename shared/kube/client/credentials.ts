import type { RequestOptions } from 'node:https';
// biome-ignore lint/correctness/noUndeclaredDependencies: importLibrary says why.
import type { KubeConfig } from '@kubernetes/client-node';
import { messageOf } from '../../runtime/index.ts';
import { KubeConnectionError } from '../errors.ts';
import { readFileCredentials, readServiceAccount } from './file-credentials.ts';
import type { ClusterAccess, Credentials, KubeconfigContext, TlsMaterial } from './kubeconfig.ts';

export interface CredentialSource {
  current(): Promise<Credentials>;
  /** The server refused what {@link current} gave (401): read everything again. */
  refused(credentials: Credentials): void;
}

/**
 * Bound service account tokens rotate at 80 % of their life, so half a minute late is early enough.
 */
const FRESH_MS = 30_000;

const isMissing = (error: unknown): boolean => error instanceof Error && 'code' in error && error.code === 'ERR_MODULE_NOT_FOUND';

/**
 * Imports the library for plugins alone, as it costs half a second and 80 MB. Images have no
 * program that a plugin could be and leave it out: it is a development dependency of the
 * repository. If it were one of this package, npm would leave the packages that the hub needs too
 * in the agent's image.
 */
const importLibrary = (context: string): Promise<typeof import('@kubernetes/client-node')> =>
  // biome-ignore lint/correctness/noUndeclaredDependencies: see above.
  import('@kubernetes/client-node').catch((error: unknown) => {
    if (!isMissing(error)) throw error;
    const remedy = 'use a context with a token or a client certificate, or a checkout of the repository';
    throw new Error(`context "${context}" needs @kubernetes/client-node, for plugins, which the images leave out: ${remedy}`);
  });

const load = async ({ path, context }: KubeconfigContext): Promise<KubeConfig> => {
  const library = await importLibrary(context);
  const config = new library.KubeConfig();
  config.loadFromFile(path);
  config.setCurrentContext(context);
  // The library wants this flag on plain HTTP (a loopback server, see kubeconfig.ts), where there
  // is no TLS to skip.
  config.clusters = config.clusters.map((cluster) => (cluster.server.startsWith('http:') ? { ...cluster, skipTLSVerify: true } : cluster));
  return config;
};

const readTls = (options: RequestOptions): TlsMaterial => {
  const picked = { ca: options.ca, cert: options.cert, key: options.key, servername: options.servername };
  return Object.fromEntries(Object.entries(picked).filter(([, value]) => value !== undefined && value !== null));
};

const identify = (tls: TlsMaterial): string => [tls.ca, tls.cert, tls.key, tls.servername].map((part) => String(part ?? '')).join('\0');

const readHeaders = (options: RequestOptions): Record<string, string> => {
  const headers = Object.fromEntries(Object.entries(options.headers ?? {}).map(([name, value]) => [name.toLowerCase(), String(value)]));
  if (options.auth) headers['authorization'] = `Basic ${Buffer.from(options.auth).toString('base64')}`;
  return headers;
};

const extract = async (config: KubeConfig): Promise<Credentials> => {
  const options: RequestOptions = { headers: {} };
  await config.applyToHTTPSOptions(options);
  const tls = readTls(options);
  return { headers: readHeaders(options), tls, tlsId: identify(tls) };
};

/**
 * Reads client certificates, tokens, token files and plugins as kubectl does, again every half
 * minute.
 */
export const createCredentialSource = (access: ClusterAccess): CredentialSource => {
  let config: Promise<KubeConfig> | undefined;
  let cached: { readonly value: Promise<Credentials>; readonly at: number } | undefined;

  const readKubeconfig = async (file: KubeconfigContext): Promise<Credentials> => {
    const credentials = await readFileCredentials(file);
    if (credentials !== undefined) return credentials;
    config ??= load(file);
    return extract(await config);
  };
  const read = async (): Promise<Credentials> => {
    try {
      return await (access.file === undefined ? readServiceAccount() : readKubeconfig(access.file));
    } catch (error) {
      config = undefined;
      cached = undefined;
      const reason = messageOf(error);
      throw new KubeConnectionError(`credentials for ${access.server}: ${reason.trim()}`, { cause: error });
    }
  };

  return {
    current: () => {
      const now = performance.now();
      if (cached === undefined || now - cached.at > FRESH_MS) cached = { value: read(), at: now };
      return cached.value;
    },
    refused: () => {
      // Credentials that were read a moment ago will not be better now; this bounds the work when
      // they are simply wrong.
      if (cached === undefined || performance.now() - cached.at < 1_000) return;
      config = undefined;
      cached = undefined;
    },
  };
};
