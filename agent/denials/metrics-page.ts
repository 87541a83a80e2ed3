import type { KubeClient } from '@fso/shared/kube';
import { LineSplitter } from '@fso/shared/runtime';

/** Numbers of refused requests for pods and bindings. */
export interface Refusals {
  readonly pods: number;
  readonly bindings: number;
}
/** Objects whose refusals are counted separately. */
export type Concern = keyof Refusals;
/** Requests that lock 1 refuses and the API server counts separately. */
export const CONCERNS: readonly Concern[] = ['pods', 'bindings'];

/** Refusals counted by one API server since it started. */
export interface ServerReading {
  /** Start of the server's process in seconds since 1970, which identifies the server. */
  readonly startedAt: number;
  readonly refusals: Refusals;
}

/** Concerns of lock 1's policies that refuse. Their bindings have the same names. */
const CONCERN_OF: ReadonlyMap<string, Concern> = new Map([
  ['fso-floor-pods-deny', 'pods'],
  ['fso-floor-index-pods-deny', 'pods'],
  ['fso-floor-bindings-deny', 'bindings'],
  ['fso-floor-index-bindings-deny', 'bindings'],
]);

/** Concern of a ValidatingAdmissionPolicy; undefined if it is not a denying policy of lock 1. */
export const concernOf = (policy: string): Concern | undefined => CONCERN_OF.get(policy);

const CHECKS = 'apiserver_validating_admission_policy_check_total{';
const STARTED = 'process_start_time_seconds ';
const MAX_BYTES = 64 * 1024 * 1024;
const MAX_LINE = 64 * 1024;
const TIMEOUT_MS = 30_000;

const labelOf = (line: string, label: string): string | undefined => new RegExp(`[{,]${label}="([^"\\\\]*)"`).exec(line)?.[1];

const readValue = (line: string): number => {
  const value = Number(line.slice(line.lastIndexOf(' ') + 1));
  if (!Number.isFinite(value) || value < 0) throw new Error(`a metric of the API server has no number: ${line.slice(0, 200)}`);
  return value;
};

/** Reads the refusals by lock 1 from metrics, one line at a time. */
export class MetricsPage {
  #startedAt: number | undefined;
  readonly #refusals = { pods: 0, bindings: 0 };

  take(line: string): void {
    if (line.startsWith(STARTED)) this.#startedAt = readValue(line);
    if (!line.startsWith(CHECKS) || labelOf(line, 'enforcement_action') !== 'deny') return;
    const concern = concernOf(labelOf(line, 'policy') ?? '');
    if (concern !== undefined) this.#refusals[concern] += readValue(line);
  }

  /** @throws Error if the page does not show when the server started */
  get reading(): ServerReading {
    if (this.#startedAt === undefined) throw new Error('the metrics of the API server do not say when it started');
    return { startedAt: this.#startedAt, refusals: { ...this.#refusals } };
  }
}

/**
 * Reads the metrics of the responding API server as a stream, because the page may have megabytes.
 *
 * @throws KubeApiError, KubeConnectionError; Error if the page is too large or has no start time
 */
export const readMetrics = async (client: Pick<KubeClient, 'stream'>, signal: AbortSignal): Promise<ServerReading> => {
  const page = new MetricsPage();
  const decoder = new TextDecoder();
  const splitter = new LineSplitter(MAX_LINE);
  let bytes = 0;
  for await (const chunk of await client.stream({ method: 'GET', path: '/metrics', timeoutMs: TIMEOUT_MS }, signal)) {
    bytes += chunk.byteLength;
    if (bytes > MAX_BYTES) throw new Error(`the metrics of the API server have more than ${MAX_BYTES} bytes`);
    for (const line of splitter.push(decoder.decode(chunk, { stream: true }))) page.take(line);
  }
  return page.reading;
};
