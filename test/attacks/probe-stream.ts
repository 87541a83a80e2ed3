import { setTimeout as delay } from 'node:timers/promises';
import { KubeApiError, type KubeClient, POD_KIND } from '@fso/shared/kube';
import { eventually } from '../harness/waiting.ts';
import { CONTAINERS } from './bodies.ts';

const EVERY_MS = 50;

/**
 * Refusals by the locks; any other refusal may have another cause, e.g. an authorizer that is not
 * ready yet.
 */
const BY_A_LOCK = ' allows regions ';

/**
 * Tries to create, without a dry run, a pod that must be refused, every 50 ms until it is stopped,
 * and counts the responses.
 */
export class ProbeStream {
  /** Names of admitted pods: there must never be one. */
  readonly admitted: string[] = [];
  refused = 0;
  /** Probes without a response, or with one that is not of a lock. */
  unanswered = 0;
  readonly #client: KubeClient;
  readonly #namespace: string;
  readonly #stop = new AbortController();
  readonly #open = new Set<Promise<void>>();
  readonly #running: Promise<void>;

  constructor(client: KubeClient, namespace: string) {
    this.#client = client;
    this.#namespace = namespace;
    this.#running = this.#run();
  }

  /** Runs until a lock has refused this many more probes. */
  async untilRefused(more: number): Promise<void> {
    const wanted = this.refused + more;
    await eventually(() => this.refused >= wanted);
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#running;
    await Promise.all(this.#open);
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop;
    for (let number = 0; !signal.aborted; number += 1) {
      const probe = this.#probe(`probe-${number}`).finally(() => this.#open.delete(probe));
      this.#open.add(probe);
      await delay(EVERY_MS, undefined, { signal }).catch(() => undefined);
    }
  }

  /** Stops, and waits for pending probes: each may be the one that is admitted. */
  async #probe(name: string): Promise<void> {
    const pod = { metadata: { name, namespace: this.#namespace }, spec: { containers: CONTAINERS } };
    try {
      await this.#client.create(POD_KIND, pod, {}, new AbortController().signal);
      this.admitted.push(`${name} at ${new Date().toISOString()}`);
    } catch (error) {
      if (error instanceof KubeApiError && error.status === 403 && error.message.includes(BY_A_LOCK)) this.refused += 1;
      else this.unanswered += 1;
    }
  }
}
