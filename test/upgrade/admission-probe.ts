import { setTimeout as delay } from 'node:timers/promises';
import { REGION_LABEL } from '@fso/shared/api';
import { KubeApiError, type KubeClient, POD_KIND } from '@fso/shared/kube';
import { messageOf } from '@fso/shared/runtime';

const PAUSE_MS = 75;
/**
 * Number of problems of one step and cluster that are described. The rest is the same, and only
 * counted.
 */
const MAX_PROBLEMS = 3;
/** Status codes with which the API server refuses by a policy (422) or a webhook (403). */
const REFUSALS: readonly number[] = [403, 422];

export interface ProbeCounts {
  /** Pods sent, good and bad. */
  readonly tries: number;
  readonly badAdmitted: number;
  readonly goodRefused: number;
  /** Pods neither admitted nor refused by the policy: no connection, a timeout, another error. */
  readonly errors: number;
}

export const addCounts = (a: ProbeCounts, b: ProbeCounts): ProbeCounts => ({
  tries: a.tries + b.tries,
  badAdmitted: a.badAdmitted + b.badAdmitted,
  goodRefused: a.goodRefused + b.goodRefused,
  errors: a.errors + b.errors,
});

const NONE: ProbeCounts = { tries: 0, badAdmitted: 0, goodRefused: 0, errors: 0 };

export interface ProbeTarget {
  readonly cluster: string;
  /** Governed by a policy of the same name that denies. */
  readonly namespace: string;
  readonly allowedRegion: string;
  readonly otherRegion: string;
}

/**
 * Offers a cluster, by dry runs and without an end, one pod that its policy must refuse and one
 * that it must admit.
 */
export class AdmissionProbe {
  readonly #client: KubeClient;
  readonly #target: ProbeTarget;
  readonly #stop = new AbortController();
  #running: Promise<void> = Promise.resolve();
  #counts = NONE;
  #problems: string[] = [];

  constructor(client: KubeClient, target: ProbeTarget) {
    this.#client = client;
    this.#target = target;
  }

  start(): void {
    this.#running = this.#run();
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }

  /** Returns the counts and problems since the last call. */
  take(): { readonly counts: ProbeCounts; readonly problems: readonly string[] } {
    const taken = { counts: this.#counts, problems: this.#problems };
    this.#counts = NONE;
    this.#problems = [];
    return taken;
  }

  async #run(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      await Promise.all([this.#tryBad(), this.#tryGood()]);
      await delay(PAUSE_MS);
    }
  }

  async #tryBad(): Promise<void> {
    const error = await this.#create(this.#target.otherRegion);
    if (error === undefined) this.#count('badAdmitted', 'a pod that the policy forbids was admitted');
    else if (this.#isRefusal(error)) this.#count();
    else this.#count('errors', `a pod that the policy forbids: ${messageOf(error)}`);
  }

  async #tryGood(): Promise<void> {
    const error = await this.#create(this.#target.allowedRegion);
    if (error === undefined) this.#count();
    else if (this.#isRefusal(error)) this.#count('goodRefused', `a pod that the policy allows was refused: ${messageOf(error)}`);
    else this.#count('errors', `a pod that the policy allows: ${messageOf(error)}`);
  }

  /** @returns why there is no such pod */
  async #create(region: string): Promise<unknown> {
    const { namespace } = this.#target;
    const spec = { nodeSelector: { [REGION_LABEL]: region }, containers: [{ name: 'main', image: 'app:1' }] };
    try {
      await this.#client.create(POD_KIND, { metadata: { name: 'probe', namespace }, spec }, { dryRun: true }, this.#stop.signal);
      return undefined;
    } catch (error) {
      return error;
    }
  }

  #isRefusal(error: unknown): boolean {
    return error instanceof KubeApiError && REFUSALS.includes(error.status) && error.message.includes(`policy ${this.#target.namespace} `);
  }

  #count(kind?: 'badAdmitted' | 'goodRefused' | 'errors', problem?: string): void {
    // The last one may have been cut off by the end itself.
    if (this.#stop.signal.aborted) return;
    const { [kind ?? 'tries']: one } = this.#counts;
    this.#counts = { ...this.#counts, tries: this.#counts.tries + 1, ...(kind === undefined ? {} : { [kind]: one + 1 }) };
    if (problem === undefined || this.#problems.length === MAX_PROBLEMS) return;
    this.#problems.push(`${this.#target.cluster}: ${new Date().toISOString()} ${problem}`);
  }
}
