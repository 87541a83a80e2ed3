import { setTimeout as delay } from 'node:timers/promises';
import type { SovereignPolicy } from '@fso/shared/api';
import { createInformers, type Informer, SOVEREIGN_POLICY_KIND } from '@fso/shared/kube';
import { createLogger } from '@fso/shared/runtime';
import type { AgentHarness } from '../../harness/agent-harness.ts';
import { writePolicies } from './one-cluster.ts';

/**
 * Timeout that only guards against hanging: a thousand policies take many minutes on a busy
 * machine.
 */
const PATIENCE_MS = 3_600_000;
/** Time without a change after which an agent counts as settled. */
const SETTLED_MS = 60_000;
const LOOK_MS = 1_000;

const isEnforced = ({ metadata, status }: SovereignPolicy): boolean =>
  status?.phase === 'Active' &&
  status.enforcement?.gatekeeper.state === 'Enforced' &&
  (status.observedGeneration ?? 0) >= (metadata.generation ?? 0);

/**
 * Reports when the statuses of policies show that both locks enforce them. It watches, because
 * listing a thousand policies repeatedly costs a small machine more than the measured agent.
 */
export class PolicyWatch {
  readonly #informer: Informer<SovereignPolicy>;
  readonly #enforced = new Set<string>();
  readonly #stop = new AbortController();
  readonly #signal: AbortSignal;

  constructor({ client, signal }: AgentHarness) {
    const logger = createLogger({ name: 'bench', level: 'silent' });
    this.#signal = AbortSignal.any([signal, this.#stop.signal]);
    this.#informer = createInformers(client, { logger }, this.#signal).informer(SOVEREIGN_POLICY_KIND);
    this.#informer.onChange((key, policy) => {
      if (policy !== undefined && isEnforced(policy)) this.#enforced.add(key);
      else this.#enforced.delete(key);
    });
  }

  /** Waits until there are no policies. */
  async none(): Promise<void> {
    await this.#informer.ready(this.#stop.signal);
    await this.#until(() => this.#informer.list().length === 0);
  }

  /** Waits until both locks enforce at least this many policies. */
  async enforced(count: number): Promise<void> {
    await this.#until(() => this.#enforced.size >= count);
  }

  /** Waits until both locks enforce a policy in this version of its spec, or a later one. */
  async enforces({ metadata: { namespace = '', name, generation = 0 } }: SovereignPolicy): Promise<void> {
    const key = `${namespace}/${name}`;
    await this.#until(() => this.#enforced.has(key) && (this.#informer.get(key)?.metadata.generation ?? 0) >= generation);
  }

  /** Waits until no status has changed for a minute. */
  async settled(): Promise<void> {
    const signal = AbortSignal.any([this.#signal, AbortSignal.timeout(PATIENCE_MS)]);
    await this.#informer.ready(signal);
    let changedAt = Date.now();
    const end = this.#informer.onChange(() => {
      changedAt = Date.now();
    });
    try {
      while (Date.now() - changedAt < SETTLED_MS) await delay(LOOK_MS, undefined, { signal });
    } finally {
      end();
    }
  }

  close(): void {
    this.#stop.abort();
  }

  #until(isReached: () => boolean): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const signal = AbortSignal.any([this.#stop.signal, AbortSignal.timeout(PATIENCE_MS)]);
    const onAbort = (): void => reject(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
    const end = this.#informer.onChange(() => {
      if (isReached()) resolve();
    });
    if (isReached()) resolve();
    return promise.finally(() => {
      end();
      signal.removeEventListener('abort', onAbort);
    });
  }
}

/** Waits until no status of a policy has changed for a minute. */
export const policiesSettled = async (world: AgentHarness): Promise<void> => {
  const watch = new PolicyWatch(world);
  try {
    await watch.settled();
  } finally {
    watch.close();
  }
};

/** Writes a policy for each namespace, and waits until both locks enforce all of them. */
export const enforcePolicies = async (world: AgentHarness, namespaces: readonly string[]): Promise<void> => {
  const watch = new PolicyWatch(world);
  try {
    await writePolicies(world, namespaces);
    await watch.enforced(namespaces.length);
  } finally {
    watch.close();
  }
};
