import { readFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { parse } from 'yaml';
import { z } from 'zod';
import type { Credentials } from './credentials.ts';
import type { KubeconfigContext } from './kubeconfig.ts';

/** Where Kubernetes mounts the token and the CA of a pod's service account. */
const SERVICE_ACCOUNT = '/var/run/secrets/kubernetes.io/serviceaccount';

const Base64 = z.base64().transform((text) => Buffer.from(text, 'base64'));

/** A user whose credentials stand in files. Strict: what has more, e.g. a plugin, is no such user. */
const FileUser = z.strictObject({
  token: z.string().optional(),
  tokenFile: z.string().optional(),
  'client-certificate': z.string().optional(),
  'client-certificate-data': Base64.optional(),
  'client-key': z.string().optional(),
  'client-key-data': Base64.optional(),
});
type FileUser = z.output<typeof FileUser>;

const FileCluster = z.object({
  'certificate-authority': z.string().optional(),
  'certificate-authority-data': Base64.optional(),
  'tls-server-name': z.string().optional(),
});

const Kubeconfig = z.object({
  contexts: z.array(z.object({ name: z.string(), context: z.object({ cluster: z.string(), user: z.string().optional() }) })),
  clusters: z.array(z.object({ name: z.string(), cluster: FileCluster })),
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

/** Of the user and the cluster of a context. @returns undefined: a plugin makes the credentials */
const parseContext = (text: string, name: string): { user: FileUser; cluster: z.output<typeof FileCluster> } | undefined => {
  const { contexts, clusters, users } = Kubeconfig.parse(parse(text));
  const context = contexts.find((entry) => entry.name === name)?.context;
  const cluster = clusters.find((entry) => entry.name === context?.cluster)?.cluster;
  const user = FileUser.safeParse(users.find((entry) => entry.name === context?.user)?.user ?? {});
  return cluster !== undefined && user.success ? { user: user.data, cluster } : undefined;
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
