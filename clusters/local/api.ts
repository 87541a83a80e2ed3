import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { Agent, request } from 'node:https';
import { text } from 'node:stream/consumers';
import { setTimeout as delay } from 'node:timers/promises';
import { parse } from 'yaml';
import { readKubeconfig } from './pki/kubeconfig.ts';

/** Object of the Kubernetes API. */
export interface ApiObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string; readonly [key: string]: unknown };
  readonly [key: string]: unknown;
}

/** Error response of an API server. */
export class ApiError extends Error {
  override readonly name = 'ApiError';
  readonly status: number;
  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

const TIMEOUT_MS = 20_000;

/** Path of a resource's collection, from the fields of a manifest. */
export function collectionPath(object: ApiObject): string {
  const root = object.apiVersion.includes('/') ? `/apis/${object.apiVersion}` : `/api/${object.apiVersion}`;
  const kind = object.kind.toLowerCase();
  const plural = kind.endsWith('y') ? `${kind.slice(0, -1)}ies` : kind.endsWith('s') ? `${kind}es` : `${kind}s`;
  const namespace = object.metadata.namespace;
  return namespace ? `${root}/namespaces/${namespace}/${plural}` : `${root}/${plural}`;
}

/** Path of an object at the API server. */
export const objectPath = (object: ApiObject): string => `${collectionPath(object)}/${object.metadata.name}`;

/** Parses the objects of a YAML text with several documents. */
export function parseManifest(manifest: string): ApiObject[] {
  return manifest
    .split(/^---\s*$/m)
    .map((document) => parse(document) as ApiObject | null)
    .filter((document) => document !== null);
}

/** Reads the objects of a YAML file with several documents. */
export const readManifest = (file: string): ApiObject[] => parseManifest(readFileSync(file, 'utf8'));

function messageOf(answer: string): string {
  try {
    return JSON.parse(answer).message ?? answer;
  } catch {
    return answer;
  }
}

const RETRIES = 5;
const FIRST_DELAY_MS = 200;

// A status below 500 means an invalid request. Other errors may be due to a busy machine.
const isFinal = (error: unknown): boolean => error instanceof ApiError && error.status < 500 && error.status !== 429;

/**
 * Retries a request while a busy API server does not respond or asks to retry. Stops after an
 * abort.
 */
export async function retrying<T>(work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
  for (let attempt = 0; ; attempt++) {
    try {
      return await work();
    } catch (error) {
      if (isFinal(error) || attempt === RETRIES) throw error;
      await delay(FIRST_DELAY_MS * 2 ** attempt, undefined, { signal });
    }
  }
}

/**
 * Opens a client with the few API calls that setting up a cluster needs, from a kubeconfig that
 * this package wrote. The server's certificate is verified. `@fso/shared/kube` is the client for
 * programs, with watches, but its imports would delay the start of a cluster by half a second.
 */
export function openApi(kubeconfig: string, options: { timeoutMs?: number; signal?: AbortSignal } = {}) {
  const { timeoutMs = TIMEOUT_MS, signal } = options;
  const { server, authority: ca, certificate: cert, key } = readKubeconfig(kubeconfig);
  const agent = new Agent({ keepAlive: true, ca, cert, key });
  const send = async <T = unknown>(method: string, path: string, body?: unknown, contentType = 'application/json'): Promise<T> => {
    const headers = body === undefined ? {} : { 'content-type': contentType };
    const outgoing = request(new URL(path, server), { agent, method, timeout: timeoutMs, headers });
    outgoing.once('timeout', () => outgoing.destroy(new Error(`no answer within ${timeoutMs / 1000} s: ${method} ${path}`)));
    // A connection that breaks after a timeout emits a second error, which must not end the
    // program.
    outgoing.on('error', () => undefined);
    outgoing.end(body === undefined ? undefined : JSON.stringify(body));
    const [response] = (await once(outgoing, 'response')) as [IncomingMessage];
    const answer = await text(response);
    const status = response.statusCode ?? 0;
    if (status >= 400) throw new ApiError(status, `${method} ${path}: ${status} ${messageOf(answer)}`);
    return response.headers['content-type']?.includes('json') ? JSON.parse(answer) : (answer as T);
  };
  /** Applies an object server-side, and takes over fields of other owners. */
  const apply = async (path: string, body: ApiObject): Promise<void> => {
    await retrying(() => send('PATCH', `${path}?fieldManager=fso-fleet&force=true`, body, 'application/apply-patch+yaml'), signal);
  };
  return {
    server,
    send,
    apply,
    applyAll: async (objects: readonly ApiObject[]): Promise<void> => {
      await Promise.all(objects.map((object) => apply(objectPath(object), object)));
    },
    close: (): void => agent.destroy(),
  };
}

/** Client of {@link openApi}. */
export type SetupApi = ReturnType<typeof openApi>;

/** Object whose status has conditions. */
export interface Conditions {
  readonly status?: { readonly conditions?: readonly { readonly type: string; readonly status: string }[] };
}

/** Whether a condition of an object is True. */
export const hasCondition = ({ status }: Conditions, wanted: string): boolean =>
  status?.conditions?.some((condition) => condition.type === wanted && condition.status === 'True') ?? false;

/**
 * Whether Gatekeeper is called at admission. The dry run sets a label that Gatekeeper refuses on
 * any namespace but its own.
 */
export async function isEnforcing(api: SetupApi): Promise<boolean> {
  const metadata = { name: 'fso-fleet-gatekeeper-probe', labels: { 'admission.gatekeeper.sh/ignore': 'probe' } };
  try {
    await api.send('POST', '/api/v1/namespaces?dryRun=All', { apiVersion: 'v1', kind: 'Namespace', metadata });
    return false;
  } catch (error) {
    if (error instanceof ApiError && error.message.includes('denied the request')) return true;
    throw error;
  }
}
