import { readFileSync } from 'node:fs';
import { Agent, request } from 'node:https';
import { setTimeout as delay } from 'node:timers/promises';
import { parse } from 'yaml';
import { type ClientCredentials, readKubeconfig } from './pki/kubeconfig.ts';

/** An object as the API server takes and gives it. */
export interface ApiObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string; readonly [key: string]: unknown };
  readonly [key: string]: unknown;
}

export class ApiError extends Error {
  override readonly name = 'ApiError';
  readonly status: number;
  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

/**
 * Client for as much of the API as setting a cluster up takes. (A client for programs, with
 * watches, is `@fso/shared/kube`; here the start of a cluster must not wait for half a second of
 * imports.)
 */
export interface SetupApi {
  readonly server: string;
  send<T = unknown>(method: string, path: string, body?: unknown, contentType?: string): Promise<T>;
  /** Server-side apply, taking over what others own. */
  apply(path: string, body: ApiObject): Promise<void>;
  close(): void;
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

export const objectPath = (object: ApiObject): string => `${collectionPath(object)}/${object.metadata.name}`;

/** The objects of a YAML file with several documents. */
export function parseManifest(text: string): ApiObject[] {
  return text
    .split(/^---\s*$/m)
    .map((document) => parse(document) as ApiObject | null)
    .filter((document) => document !== null);
}

export const readManifest = (file: string): ApiObject[] => parseManifest(readFileSync(file, 'utf8'));

function messageOf(text: string): string {
  try {
    return JSON.parse(text).message ?? text;
  } catch {
    return text;
  }
}

function decode<T>(text: string, contentType: string | undefined): T {
  return contentType?.includes('json') ? JSON.parse(text) : (text as T);
}

interface Call {
  readonly agent: Agent;
  readonly credentials: ClientCredentials;
  readonly method: string;
  readonly path: string;
  readonly body: string | undefined;
  readonly contentType: string;
  readonly timeoutMs: number;
}

function call<T>({ agent, credentials, method, path, body, contentType, timeoutMs }: Call): Promise<T> {
  return new Promise((resolve, reject) => {
    const outgoing = request(new URL(path, credentials.server), {
      agent,
      method,
      timeout: timeoutMs,
      headers: body === undefined ? {} : { 'content-type': contentType, 'content-length': Buffer.byteLength(body) },
    });
    outgoing.once('timeout', () => outgoing.destroy(new Error(`no answer within ${timeoutMs / 1000} s: ${method} ${path}`)));
    // Not once: a connection that breaks after a timeout tells of a second error, which must not end the program.
    outgoing.on('error', reject);
    outgoing.once('response', (response) => {
      response.setEncoding('utf8');
      let text = '';
      response.on('data', (chunk: string) => {
        text += chunk;
      });
      response.on('error', reject);
      response.once('end', () => {
        const status = response.statusCode ?? 0;
        if (status >= 400) reject(new ApiError(status, `${method} ${path}: ${status} ${messageOf(text)}`));
        else resolve(decode<T>(text, response.headers['content-type']));
      });
    });
    outgoing.end(body);
  });
}

const RETRIES = 5;
const FIRST_DELAY_MS = 200;

// An answer below 500 says what is wrong with the request; everything else may be a busy machine.
const isFinal = (error: unknown): boolean => error instanceof ApiError && error.status < 500 && error.status !== 429;

/**
 * Repeats a request where a busy API server does not answer, or asks to try again; not after an
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

/** Speaks to the API server of a kubeconfig that this package wrote; the server's certificate is verified. */
export function openApi(kubeconfig: string, options: { timeoutMs?: number; signal?: AbortSignal } = {}): SetupApi {
  const { timeoutMs = TIMEOUT_MS, signal } = options;
  const credentials = readKubeconfig(kubeconfig);
  const agent = new Agent({ keepAlive: true, ca: credentials.authority, cert: credentials.certificate, key: credentials.key });
  const send = <T>(method: string, path: string, body?: unknown, contentType = 'application/json'): Promise<T> =>
    call<T>({ agent, credentials, method, path, body: body === undefined ? undefined : JSON.stringify(body), contentType, timeoutMs });
  return {
    server: credentials.server,
    send,
    apply: async (path, body) => {
      await retrying(() => send('PATCH', `${path}?fieldManager=fso-fleet&force=true`, body, 'application/apply-patch+yaml'), signal);
    },
    close: () => agent.destroy(),
  };
}
