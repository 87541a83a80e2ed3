import { existsSync, readFileSync, statSync } from 'node:fs';
import { parseDocument } from 'yaml';
import { z } from 'zod';
import { messageOf } from '../../runtime/index.ts';
import { KubeConfigError } from '../errors.ts';

/**
 * Fields of a kubeconfig that are checked before anything connects. Credentials are read on
 * connecting.
 */
const KubeconfigFile = z.object({
  'current-context': z.string().optional(),
  contexts: z.array(z.object({ name: z.string(), context: z.object({ cluster: z.string(), user: z.string().optional() }) })).default([]),
  clusters: z
    .array(
      z.object({
        name: z.string(),
        cluster: z.object({ server: z.string(), 'insecure-skip-tls-verify': z.boolean().optional(), 'proxy-url': z.string().optional() }),
      }),
    )
    .default([]),
  users: z.array(z.object({ name: z.string() })).default([]),
});
type KubeconfigFile = z.output<typeof KubeconfigFile>;

/** Context of a kubeconfig file: which cluster, as which user. */
export interface KubeconfigContext {
  readonly path: string;
  readonly context: string;
}

/** Certificates and keys of a connection, PEM, and the name that the server must prove. */
export interface TlsMaterial {
  readonly ca?: string | Buffer;
  readonly cert?: string | Buffer;
  readonly key?: string | Buffer;
  readonly servername?: string;
}

/** Headers and certificates that authenticate requests. */
export interface Credentials {
  readonly headers: Readonly<Record<string, string>>;
  readonly tls: TlsMaterial;
  /** Changes with the TLS material, which then needs new connections. */
  readonly tlsId: string;
}

/** Address of an API server, and the kubeconfig context with its credentials. */
export interface ClusterAccess {
  readonly server: string;
  readonly proxyUrl: string | undefined;
  /** Absent: the service account of the pod. */
  readonly file: KubeconfigContext | undefined;
}

const SERVICE_ACCOUNT_TOKEN = '/var/run/secrets/kubernetes.io/serviceaccount/token';
const LOOPBACK = new Set(['localhost', '127.0.0.1', '[::1]']);

/** Largest kubeconfig, in bytes. One with a hundred contexts with certificates has 1 MB. */
const MAX_BYTES = 4 * 1024 * 1024;

const readText = (path: string): string => {
  try {
    const { size } = statSync(path);
    if (size > MAX_BYTES) throw new KubeConfigError(`kubeconfig ${path}: ${size} bytes, more than the ${MAX_BYTES} that are accepted`);
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (error instanceof KubeConfigError) throw error;
    const code = (error as NodeJS.ErrnoException).code;
    const problem = code === 'ENOENT' ? 'no such file' : `cannot be read (${code ?? String(error)})`;
    throw new KubeConfigError(`kubeconfig ${path}: ${problem}`, { cause: error });
  }
};

/**
 * Parses a kubeconfig.
 *
 * @throws KubeConfigError, also for multiplying aliases, and for nesting that overflows the
 * parser's stack
 */
const parseYaml = (path: string, text: string): unknown => {
  try {
    const document = parseDocument(text, { prettyErrors: true });
    const [broken] = document.errors;
    if (broken !== undefined) throw broken;
    return document.toJS();
  } catch (error) {
    throw new KubeConfigError(`kubeconfig ${path}: not valid YAML: ${messageOf(error).split('\n')[0]}`, { cause: error });
  }
};

const parseFile = (path: string): KubeconfigFile => {
  const result = KubeconfigFile.safeParse(parseYaml(path, readText(path)));
  if (result.success) return result.data;
  const problems = result.error.issues.map((issue) => `${issue.path.join('.') || 'document'}: ${issue.message}`);
  throw new KubeConfigError(`kubeconfig ${path}: not a kubeconfig: ${problems.join('; ')}`);
};

const names = (entries: readonly { name: string }[]): string => entries.map((entry) => entry.name).join(', ') || 'none';

const checkServer = (path: string, cluster: KubeconfigFile['clusters'][number]): string => {
  const { server, 'insecure-skip-tls-verify': insecure } = cluster.cluster;
  if (insecure === true) {
    throw new KubeConfigError(
      `kubeconfig ${path}: cluster "${cluster.name}" has insecure-skip-tls-verify, which would send the credentials to any server; set certificate-authority-data instead`,
    );
  }
  if (!URL.canParse(server)) throw new KubeConfigError(`kubeconfig ${path}: cluster "${cluster.name}": server "${server}" is not a URL`);
  const url = new URL(server);
  if (url.protocol !== 'https:' && !LOOPBACK.has(url.hostname)) {
    throw new KubeConfigError(`kubeconfig ${path}: cluster "${cluster.name}": server "${server}" must be https`);
  }
  return server.replace(/\/+$/, '');
};

const accessFromFile = (path: string, wantedContext: string | undefined): ClusterAccess => {
  const file = parseFile(path);
  const name = wantedContext ?? file['current-context'];
  if (!name) throw new KubeConfigError(`kubeconfig ${path}: no current-context is set (contexts in it: ${names(file.contexts)})`);
  const context = file.contexts.find((entry) => entry.name === name)?.context;
  if (context === undefined) {
    throw new KubeConfigError(`kubeconfig ${path}: context "${name}" is not in the file (contexts in it: ${names(file.contexts)})`);
  }
  const cluster = file.clusters.find((entry) => entry.name === context.cluster);
  if (cluster === undefined) {
    throw new KubeConfigError(`kubeconfig ${path}: context "${name}" names cluster "${context.cluster}", which is not in the file`);
  }
  if (context.user && !file.users.some((entry) => entry.name === context.user)) {
    throw new KubeConfigError(`kubeconfig ${path}: context "${name}" names user "${context.user}", which is not in the file`);
  }
  return { server: checkServer(path, cluster), proxyUrl: cluster.cluster['proxy-url'], file: { path, context: name } };
};

/** Reads the address of the API server from the two variables that Kubernetes sets in every pod. */
const accessFromPod = (): ClusterAccess => {
  const { KUBERNETES_SERVICE_HOST: host, KUBERNETES_SERVICE_PORT: port } = process.env;
  if (!host || !port || !existsSync(SERVICE_ACCOUNT_TOKEN)) {
    throw new KubeConfigError('no kubeconfig is given, and this process does not run in a pod with a service account; set KUBECONFIG');
  }
  return { server: `https://${host.includes(':') ? `[${host}]` : host}:${port}`, proxyUrl: undefined, file: undefined };
};

/**
 * Finds the server and the user in a kubeconfig or in the pod.
 *
 * @throws KubeConfigError with the file and the problem
 */
export const resolveAccess = (path: string | undefined, context: string | undefined): ClusterAccess =>
  path === undefined ? accessFromPod() : accessFromFile(path, context);
