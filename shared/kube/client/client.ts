import { setTimeout as delay } from 'node:timers/promises';
import type { KubeObject } from '../../api/index.ts';
import { isNotFound, KubeApiError, KubeConnectionError } from '../errors.ts';
import { collectionPath, objectPath, refOf } from '../paths.ts';
import type { ApplyOptions, KindDescriptor, ListOptions, ObjectRef, RawRequest, WriteResult } from '../types.ts';
import { resolveAccess } from './kubeconfig.ts';
import { listAll } from './list.ts';
import type { Answer } from './response-collector.ts';
import { isSuccess, type KubeClientMetrics, parseWarnings, Transport, toApiError } from './transport.ts';

/** Location of the API server's credentials, and settings of requests. */
export interface KubeClientOptions {
  /** Path of a kubeconfig file. Absent: the service account of the pod. */
  readonly kubeconfig?: string | undefined;
  /** Default: the current context of the file. */
  readonly context?: string | undefined;
  readonly userAgent?: string;
  readonly metrics?: KubeClientMetrics;
  /** Timeout of requests that set none, in ms. Default 15,000. */
  readonly timeoutMs?: number;
}

const DEFAULT_TIMEOUT_MS = 15_000;
const MAX_RETRIES = 3;
const MAX_RETRY_WAIT_MS = 10_000;
const APPLY = 'application/apply-patch+yaml';
const MERGE_PATCH = 'application/merge-patch+json';

/** Whether a connection broke: a kept-alive one may close during a request. */
const isBrokenConnection = (error: unknown): boolean => {
  if (!(error instanceof KubeConnectionError)) return false;
  const code = (error.cause as NodeJS.ErrnoException | undefined)?.code;
  return code === 'UND_ERR_SOCKET' || code === 'ECONNRESET' || code === 'EPIPE';
};

/**
 * Wait before a read is repeated, in ms: as requested by an overloaded server, or 0 after a broken
 * connection. undefined: do not repeat. Writes are never repeated here, because the reconcile that
 * sends them reads the state first.
 */
const retryWaitMs = (request: RawRequest, error: unknown, retries: number): number | undefined => {
  if (request.method !== 'GET' || retries >= MAX_RETRIES) return undefined;
  if (isBrokenConnection(error)) return retries === 0 ? 0 : undefined;
  if (!(error instanceof KubeApiError) || (error.status !== 429 && error.status !== 503)) return undefined;
  return error.retryAfterMs === undefined ? undefined : Math.min(error.retryAfterMs, MAX_RETRY_WAIT_MS);
};

const dryRunQuery = (dryRun: boolean | undefined): string | undefined => (dryRun === true ? 'All' : undefined);

/**
 * Parses a response. @throws KubeConnectionError if it is not a JSON object, as all responses of an
 * API server are
 */
const parseBody = <T>(answer: Answer, request: RawRequest): T => {
  if (answer.body === '') return undefined as T;
  const body = parseJson(answer.body, request);
  if (typeof body === 'object' && body !== null && !Array.isArray(body)) return body as T;
  throw new KubeConnectionError(`${request.method} ${request.path}: the response is not a JSON object`, { request });
};

const parseJson = (text: string, request: RawRequest): unknown => {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new KubeConnectionError(`${request.method} ${request.path}: the response is not JSON`, { cause: error });
  }
};

/**
 * Client of one cluster's API. Every call takes an AbortSignal last and has a timeout (default 15
 * s). It throws {@link KubeApiError} for a response of 400 and above, and KubeConnectionError
 * without a response.
 */
export class KubeClient {
  readonly server: string;
  readonly #transport: Transport;

  constructor(server: string, transport: Transport) {
    this.server = server;
    this.#transport = transport;
  }

  async raw<T>(request: RawRequest, signal: AbortSignal): Promise<WriteResult<T>> {
    const answer = await this.#send(request, signal);
    return { object: parseBody<T>(answer, request), warnings: parseWarnings(answer.headers['warning']) };
  }

  /** @returns undefined if the object, or its kind, does not exist (404) */
  async get<T extends KubeObject>(kind: KindDescriptor<T>, ref: ObjectRef, signal: AbortSignal): Promise<T | undefined> {
    const request = { method: 'GET', path: objectPath(kind, ref) } as const;
    try {
      const { object } = await this.raw<T | undefined>(request, signal);
      // Only a 404 proves that the object does not exist.
      if (object === undefined) throw new KubeConnectionError(`GET ${request.path}: the response is empty`, { request });
      return object;
    } catch (error) {
      if (isNotFound(error)) return undefined;
      throw error;
    }
  }

  /** Lists all pages. */
  async list<T extends KubeObject>(kind: KindDescriptor<T>, options: ListOptions, signal: AbortSignal): Promise<T[]> {
    const { items } = await listAll(this, { kind, options }, signal);
    return items;
  }

  create<T extends KubeObject>(
    kind: KindDescriptor<T>,
    body: T,
    options: { dryRun?: boolean },
    signal: AbortSignal,
  ): Promise<WriteResult<T>> {
    const path = collectionPath(kind, body.metadata.namespace);
    const typed = { ...body, apiVersion: kind.apiVersion, kind: kind.kind };
    return this.raw<T>({ method: 'POST', path, query: { dryRun: dryRunQuery(options.dryRun) }, body: typed }, signal);
  }

  /**
   * Applies an object server-side
   * (https://kubernetes.io/docs/reference/using-api/server-side-apply/).
   */
  apply<T extends KubeObject>(kind: KindDescriptor<T>, body: T, options: ApplyOptions, signal: AbortSignal): Promise<WriteResult<T>> {
    const query = { fieldManager: options.fieldManager, force: String(options.force ?? false), dryRun: dryRunQuery(options.dryRun) };
    const path = objectPath(kind, refOf(body), options.subresource);
    const typed = { ...body, apiVersion: kind.apiVersion, kind: kind.kind };
    return this.raw<T>({ method: 'PATCH', path, query, body: typed, contentType: APPLY }, signal);
  }

  /** Applies a JSON merge patch (RFC 7386). */
  mergePatch<T extends KubeObject>(kind: KindDescriptor<T>, ref: ObjectRef, patch: unknown, signal: AbortSignal): Promise<WriteResult<T>> {
    return this.raw<T>({ method: 'PATCH', path: objectPath(kind, ref), body: patch, contentType: MERGE_PATCH }, signal);
  }

  /** Deletes an object. An absent object is not an error. */
  async delete(kind: KindDescriptor, ref: ObjectRef, signal: AbortSignal): Promise<void> {
    try {
      await this.raw({ method: 'DELETE', path: objectPath(kind, ref) }, signal);
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
  }

  /**
   * Streams a response, for watches. `timeoutMs` limits the whole stream, `silenceMs` each wait for
   * a byte. Throws like every other call before the first byte, and KubeConnectionError if the
   * stream breaks.
   */
  stream(request: RawRequest, signal: AbortSignal): Promise<AsyncIterable<Uint8Array>> {
    return this.#transport.stream(request, signal);
  }

  /**
   * Reads `gitVersion` of the API server, e.g. `v1.36.3`; `v1.34 (by v1.36.3)` if it emulates an
   * older version.
   */
  async version(signal: AbortSignal): Promise<string> {
    const { object } = await this.raw<VersionInfo>({ method: 'GET', path: '/version' }, signal);
    return versionText(object);
  }

  /** Closes the connections. */
  close(): Promise<void> {
    return this.#transport.close();
  }

  async #send(request: RawRequest, signal: AbortSignal): Promise<Answer> {
    for (let retries = 0; ; retries += 1) {
      try {
        return await this.#sendOnce(request, signal);
      } catch (error) {
        const wait = retryWaitMs(request, error, retries);
        if (wait === undefined) throw error;
        await delay(wait, undefined, { signal });
      }
    }
  }

  async #sendOnce(request: RawRequest, signal: AbortSignal): Promise<Answer> {
    const answer = await this.#transport.exchange(request, signal);
    if (!isSuccess(answer.status)) throw toApiError(answer, request);
    return answer;
  }
}

/**
 * Creates a client, which connects on its first call.
 *
 * @throws KubeConfigError if the kubeconfig is missing or broken, or refers to a missing entry
 */
export const createKubeClient = (options: KubeClientOptions = {}): KubeClient => {
  const access = resolveAccess(options.kubeconfig, options.context);
  const { userAgent = 'fso', metrics, timeoutMs = DEFAULT_TIMEOUT_MS } = options;
  const transport = new Transport({ access, userAgent, metrics, timeoutMs });
  return new KubeClient(access.server, transport);
};

interface VersionInfo {
  readonly gitVersion: string;
  readonly emulationMajor?: string;
  readonly emulationMinor?: string;
}

/**
 * Formats the version. An API server may emulate an older version (https://kep.k8s.io/4330), which
 * then determines its features.
 */
const versionText = ({ gitVersion, emulationMajor, emulationMinor }: VersionInfo): string => {
  if (emulationMajor === undefined || emulationMinor === undefined) return gitVersion;
  const emulated = `v${emulationMajor}.${emulationMinor}`;
  return gitVersion === emulated || gitVersion.startsWith(`${emulated}.`) ? gitVersion : `${emulated} (by ${gitVersion})`;
};
