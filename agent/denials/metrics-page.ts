import type { KubeClient } from '@fso/shared/kube';
import { LineSplitter } from '@fso/shared/runtime';

/** Numbers of refused requests, of pods and of bindings. */
export interface Refusals {
  readonly pods: number;
  readonly bindings: number;
}
/** Objects whose refusals are counted apart: pods or bindings. */
export type Concern = keyof Refusals;
/** Requests that lock 1 refuses, which the API server counts apart. */
export const CONCERNS: readonly Concern[] = ['pods', 'bindings'];

/** Refusals that one API server has counted since it started. */
export interface ServerReading {
  /** Start of its process in seconds since 1970, which tells servers apart. */
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

/** The concern of a ValidatingAdmissionPolicy; undefined: it is none of lock 1's that refuse. */
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

/** Reads what lock 1 refused from metrics, one line at a time. */
export class MetricsPage {
  #startedAt: number | undefined;
  readonly #refusals = { pods: 0, bindings: 0 };

  take(line: string): void {
    if (line.startsWith(STARTED)) this.#startedAt = readValue(line);
    if (!line.startsWith(CHECKS) || labelOf(line, 'enforcement_action') !== 'deny') return;
    const concern = concernOf(labelOf(line, 'policy') ?? '');
    if (concern !== undefined) this.#refusals[concern] += readValue(line);
  }

  /** @throws Error where the page does not tell which server it is of */
  get reading(): ServerReading {
    if (this.#startedAt === undefined) throw new Error('the metrics of the API server do not say when it started');
    return { startedAt: this.#startedAt, refusals: { ...this.#refusals } };
  }
}

/**
 * Reads the metrics of the API server that answers, without keeping the page, which may have
 * megabytes.
 *
 * @throws KubeApiError, KubeConnectionError; Error where it is no such page, or too large
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
