import { readFile } from 'node:fs/promises';
import type { RequestOptions } from 'node:https';
import { dirname, resolve } from 'node:path';
// biome-ignore lint/correctness/noUndeclaredDependencies: importLibrary says why.
import type { KubeConfig } from '@kubernetes/client-node';
import { parse } from 'yaml';
import { z } from 'zod';
import { messageOf } from '../../runtime/index.ts';
import { KubeConnectionError } from '../errors.ts';
import type { ClusterAccess, Credentials, KubeconfigContext, TlsMaterial } from './kubeconfig.ts';

/** Folder in which Kubernetes mounts the token and the CA of a pod's service account. */
const SERVICE_ACCOUNT = '/var/run/secrets/kubernetes.io/serviceaccount';

/** Text as kubectl reads it: an empty one counts as absent. */
const Text = z
  .string()
  .nullish()
  .transform((text) => text || undefined);
/** Base64 text with or without line breaks and padding. */
const Base64 = Text.transform((text) => (text === undefined ? undefined : Buffer.from(text, 'base64')));

/**
 * User whose credentials are in files. Strict, so that a user with other fields, e.g. a plugin,
 * does not match.
 */
const FileUser = z.strictObject({
  token: Text,
  tokenFile: Text,
  'client-certificate': Text,
  'client-certificate-data': Base64,
  'client-key': Text,
  'client-key-data': Base64,
});
type FileUser = z.output<typeof FileUser>;

const FileCluster = z.object({ 'certificate-authority': Text, 'certificate-authority-data': Base64, 'tls-server-name': Text });
type FileCluster = z.output<typeof FileCluster>;

const Kubeconfig = z.object({
  contexts: z.array(z.object({ name: z.string(), context: z.object({ cluster: z.string(), user: Text }) })),
  clusters: z.array(z.object({ name: z.string(), cluster: z.unknown() })),
  users: z.array(z.object({ name: z.string(), user: z.unknown() })).default([]),
});

type Tls = { readonly [Field in keyof Credentials['tls']]: Credentials['tls'][Field] | undefined };

const toCredentials = (token: string | undefined, { ca, cert, key, servername }: Tls): Credentials => {
  const tls = Object.fromEntries(Object.entries({ ca, cert, key, servername }).filter(([, value]) => value !== undefined));
  const headers = token === undefined ? {} : { authorization: `Bearer ${token.trim()}` };
  return { headers, tls, tlsId: Object.values(tls).map(String).join('\0') };
};

/** Reads the token and the CA of the pod's service account. @throws Error if they cannot be read */
const readServiceAccount = async (): Promise<Credentials> => {
  const [token, ca] = await Promise.all([readFile(`${SERVICE_ACCOUNT}/token`, 'utf8'), readFile(`${SERVICE_ACCOUNT}/ca.crt`)]);
  return toCredentials(token, { ca });
};

/**
 * Reads the user and the cluster of a context.
 *
 * @returns undefined if a plugin provides the credentials, or the library has to report a problem
 */
const parseContext = (text: string, name: string): { user: FileUser; cluster: FileCluster } | undefined => {
  // Pretty errors quote the line, which may contain a token.
  const { data: { contexts, clusters, users } = { contexts: [], clusters: [], users: [] } } = Kubeconfig.safeParse(
    parse(text, { prettyErrors: false }),
  );
  const context = contexts.find((entry) => entry.name === name)?.context;
  const cluster = FileCluster.safeParse(clusters.find((entry) => entry.name === context?.cluster)?.cluster);
  const user = FileUser.safeParse(users.find((entry) => entry.name === context?.user)?.user ?? {});
  return cluster.success && user.success ? { user: user.data, cluster: cluster.data } : undefined;
};

/**
 * Reads the tokens and certificates of a kubeconfig and of the files that it names.
 *
 * @returns undefined if the user has a plugin
 * @throws Error if a file cannot be read
 * @see https://kubernetes.io/docs/reference/config-api/kubeconfig.v1/
 */
const readFileCredentials = async ({ path, context }: KubeconfigContext): Promise<Credentials | undefined> => {
  const parsed = parseContext(await readFile(path, 'utf8'), context);
  if (parsed === undefined) return undefined;
  const { user, cluster } = parsed;
  const read = async (data: Buffer | undefined, file: string | undefined): Promise<Buffer | undefined> =>
    data ?? (file === undefined ? undefined : await readFile(resolve(dirname(path), file)));
  const [ca, cert, key, token] = await Promise.all([
    read(cluster['certificate-authority-data'], cluster['certificate-authority']),
    read(user['client-certificate-data'], user['client-certificate']),
    read(user['client-key-data'], user['client-key']),
    read(undefined, user.tokenFile),
  ]);
  return toCredentials(token?.toString('utf8') ?? user.token, { ca, cert, key, servername: cluster['tls-server-name'] });
};

/** Provides credentials, and reads them again once the server refuses them. */
export interface CredentialSource {
  current(): Promise<Credentials>;
  /** Records that the server refused credentials of {@link current} (401). They are read again. */
  refused(credentials: Credentials): void;
}

/**
 * Time for which credentials are cached, in ms. Bound service account tokens rotate at 80 % of
 * their life, so half a minute late is early enough.
 */
const FRESH_MS = 30_000;

const isMissing = (error: unknown): boolean => error instanceof Error && 'code' in error && error.code === 'ERR_MODULE_NOT_FOUND';

/**
 * Imports the library for plugins on demand, as it costs half a second and 80 MB. Images contain no
 * program that a plugin could run, so they omit the library: it is a development dependency of the
 * repository. As a dependency of this package it would bring packages that the hub needs into the
 * agent's image.
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
  // The library requires this flag for plain HTTP (a loopback server, see kubeconfig.ts), which has
  // no TLS to skip.
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
 * Reads client certificates, tokens, token files and plugins like kubectl, and again every half
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
      // Credentials that were read a moment ago would not be better now. This bounds the work if
      // they are simply wrong.
      if (cached === undefined || performance.now() - cached.at < 1_000) return;
      config = undefined;
      cached = undefined;
    },
  };
};
