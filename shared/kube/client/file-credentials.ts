import { readFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { parse } from 'yaml';
import { z } from 'zod';
import type { Credentials, KubeconfigContext } from './kubeconfig.ts';

/** Folder in which Kubernetes mounts the token and the CA of a pod's service account. */
const SERVICE_ACCOUNT = '/var/run/secrets/kubernetes.io/serviceaccount';

/** Text as kubectl takes it: an empty one is absent. */
const Text = z
  .string()
  .nullish()
  .transform((text) => text || undefined);
/** Base64 text in lines or not, with or without padding. */
const Base64 = Text.transform((text) => (text === undefined ? undefined : Buffer.from(text, 'base64')));

/**
 * A user whose credentials are in files. Strict: a user with other fields, e.g. a plugin, does not
 * match.
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

/** Reads the token and the CA of the pod's service account. @throws Error when they cannot be read */
export const readServiceAccount = async (): Promise<Credentials> => {
  const [token, ca] = await Promise.all([readFile(`${SERVICE_ACCOUNT}/token`, 'utf8'), readFile(`${SERVICE_ACCOUNT}/ca.crt`)]);
  return toCredentials(token, { ca });
};

/**
 * Reads the user and the cluster of a context.
 *
 * @returns undefined: a plugin makes the credentials, or the library has to report what is wrong
 */
const parseContext = (text: string, name: string): { user: FileUser; cluster: FileCluster } | undefined => {
  // Pretty errors show the line, which may be that of a token.
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
 * @returns undefined: the user has a plugin
 * @throws Error when a file cannot be read
 * @see https://kubernetes.io/docs/reference/config-api/kubeconfig.v1/
 */
export const readFileCredentials = async ({ path, context }: KubeconfigContext): Promise<Credentials | undefined> => {
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
