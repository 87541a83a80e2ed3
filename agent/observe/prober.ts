import type { KubeClient } from '@fso/shared/kube';
import type { Clock } from '@fso/shared/runtime';
import type { NamespaceGovernance } from '../enforce/types.ts';
import {
  askForBinding,
  askForPod,
  type FloorNames,
  judgeMustAdmit,
  judgeMustDeny,
  judgeMustNotBind,
  judgeMustWarn,
  type ProbeVerdict,
} from './probe.ts';

export interface ProbeTarget {
  readonly governance: NamespaceGovernance;
  /** Changes whenever what was proven before no longer counts. */
  readonly fingerprint: string;
  /** Of the namespace. */
  readonly uid: string;
  readonly floorVersion: number;
}

export interface ProbeState {
  readonly fingerprint: string;
  /** failed: not proven for longer than the patience, or no longer true. */
  readonly state: 'pending' | 'proven' | 'failed';
  readonly message: string | undefined;
  /** Nothing was proven of this namespace since the agent started. */
  readonly first: boolean;
}

export interface ProberOptions {
  readonly client: KubeClient;
  readonly clock: Clock;
  readonly floor: FloorNames;
  /** Whether this API server can have the bind gate. */
  readonly bindGate: boolean;
  readonly concurrency: number;
  /** Unproven for longer than this counts as failed. */
  readonly patienceMs: number;
  /** Time between two probes of the rotation. */
  readonly rotateMs: number;
  readonly onChange: () => void;
  readonly onVerdict: (verdict: ProbeVerdict['kind']) => void;
}

const FIRST_RETRY_MS = 5;
const MAX_RETRY_MS = 2_000;

/**
 * Proves, by dry-run requests, that lock 1 enforces what each namespace should have. A namespace whose governance
 * changed is asked for at once and again in short steps until it is proven; then all take turns, one request at a time.
 */
export class Prober {
  readonly #options: ProberOptions;
  readonly #signal: AbortSignal;
  #targets: ReadonlyMap<string, ProbeTarget> = new Map();
  readonly #states = new Map<string, ProbeState>();
  readonly #chasing = new Set<string>();
  readonly #seen = new Set<string>();
  /** Regions of the last proven governance, by namespace. */
  readonly #provenRegions = new Map<string, readonly string[]>();
  /** Namespaces in the order of their last proof: the first is the next of the rotation. */
  readonly #round = new Set<string>();
  #active = 0;
  readonly #queue: (() => void)[] = [];

  constructor(options: ProberOptions, signal: AbortSignal) {
    this.#options = options;
    this.#signal = signal;
    void this.#rotate();
  }

  /** Replaces what is to be proven. */
  expect(targets: ReadonlyMap<string, ProbeTarget>): void {
    this.#targets = targets;
    for (const namespace of this.#states.keys()) {
      if (targets.has(namespace)) continue;
      this.#states.delete(namespace);
      this.#provenRegions.delete(namespace);
      this.#round.delete(namespace);
    }
    for (const [namespace, target] of targets) {
      if (this.#states.get(namespace)?.fingerprint === target.fingerprint) continue;
      this.#states.set(namespace, {
        fingerprint: target.fingerprint,
        state: 'pending',
        message: undefined,
        first: !this.#seen.has(namespace),
      });
      this.#seen.add(namespace);
      this.#start(namespace);
    }
  }

  /** @returns undefined: nothing was asked yet. */
  state(namespace: string): ProbeState | undefined {
    return this.#states.get(namespace);
  }

  #start(namespace: string): void {
    if (this.#chasing.has(namespace)) return;
    this.#chasing.add(namespace);
    void this.#follow(namespace);
  }

  /** Never rejects: what goes wrong here is shown where people look for it. */
  async #follow(namespace: string): Promise<void> {
    try {
      await this.#chase(namespace);
    } catch (error) {
      const known = this.#states.get(namespace);
      if (!this.#signal.aborted && known !== undefined) this.#set(namespace, { ...known, state: 'failed', message: String(error) });
    } finally {
      this.#chasing.delete(namespace);
      // Its target may have changed after the last look.
      if (!this.#signal.aborted && this.#targets.has(namespace) && this.#states.get(namespace)?.state === 'pending') this.#start(namespace);
    }
  }

  async #chase(namespace: string): Promise<void> {
    const { clock } = this.#options;
    let fingerprint: string | undefined;
    let began = clock.monotonicMs();
    let wait = FIRST_RETRY_MS;
    while (!this.#signal.aborted) {
      const target = this.#targets.get(namespace);
      if (target === undefined) return;
      if (target.fingerprint !== fingerprint) {
        fingerprint = target.fingerprint;
        began = clock.monotonicMs();
        wait = FIRST_RETRY_MS;
      }
      const verdict = await this.#limited(() => this.#prove(target.governance));
      // The target may have changed meanwhile: then this verdict speaks of something else.
      if (this.#targets.get(namespace)?.fingerprint !== fingerprint) continue;
      if (this.#record(target, verdict, clock.monotonicMs() - began)) return;
      await clock.sleep(wait, this.#signal);
      wait = Math.min(MAX_RETRY_MS, wait * 2);
    }
  }

  /** @returns whether it is proven. */
  #record(target: ProbeTarget, verdict: ProbeVerdict, elapsedMs: number): boolean {
    this.#options.onVerdict(verdict.kind);
    const namespace = target.governance.namespace;
    if (verdict.kind === 'proven') {
      this.#round.delete(namespace);
      this.#round.add(namespace);
      this.#provenRegions.set(namespace, target.governance.actions.deny?.regions ?? []);
      this.#set(namespace, { fingerprint: target.fingerprint, state: 'proven', message: undefined, first: false });
      return true;
    }
    const state = elapsedMs > this.#options.patienceMs ? 'failed' : 'pending';
    const first = this.#states.get(namespace)?.first ?? false;
    this.#set(namespace, { fingerprint: target.fingerprint, state, message: verdict.message, first });
    return false;
  }

  #set(namespace: string, next: ProbeState): void {
    const previous = this.#states.get(namespace);
    this.#states.set(namespace, next);
    if (previous?.state !== next.state || (next.state === 'failed' && previous.message !== next.message)) this.#options.onChange();
  }

  async #prove(governance: NamespaceGovernance): Promise<ProbeVerdict> {
    const { namespace, actions } = governance;
    if (actions.deny !== undefined) {
      const verdicts = await Promise.all([this.#mustDeny(governance), this.#mustAdmit(governance), this.#mustNotBind(namespace)]);
      return (
        verdicts.find((verdict) => verdict.kind === 'unproven') ?? verdicts.find((verdict) => verdict.kind !== 'proven') ?? verdicts[0]
      );
    }
    if (actions.warn !== undefined) {
      return judgeMustWarn(await askForPod(this.#options.client, { namespace, region: undefined }, this.#signal), governance);
    }
    // A dry run shows in no answer: that the policy and its binding are there is all there is to see.
    return { kind: 'proven' };
  }

  async #mustDeny(governance: NamespaceGovernance): Promise<ProbeVerdict> {
    const answer = await askForPod(this.#options.client, { namespace: governance.namespace, region: undefined }, this.#signal);
    return judgeMustDeny(answer, governance, this.#options.floor);
  }

  /** A region that was not allowed before says most: neither lock may still hold on to the old list. */
  async #mustAdmit({ namespace, actions }: NamespaceGovernance): Promise<ProbeVerdict> {
    const regions = actions.deny?.regions ?? [];
    const before = this.#provenRegions.get(namespace) ?? [];
    const region = regions.find((candidate) => !before.includes(candidate)) ?? regions[0];
    if (region === undefined) return { kind: 'proven' };
    const answer = await askForPod(this.#options.client, { namespace, region }, this.#signal);
    return judgeMustAdmit(answer, this.#options.floor);
  }

  async #mustNotBind(namespace: string): Promise<ProbeVerdict> {
    if (!this.#options.bindGate) return { kind: 'proven' };
    return judgeMustNotBind(await askForBinding(this.#options.client, namespace, this.#signal), this.#options.floor);
  }

  /** Asks one proven namespace after the other whether it still refuses. */
  async #rotate(): Promise<void> {
    const { clock, rotateMs } = this.#options;
    while (!this.#signal.aborted) {
      await clock.sleep(rotateMs, this.#signal).catch(() => undefined);
      const namespace = this.#round.values().next().value;
      const target = namespace === undefined ? undefined : this.#targets.get(namespace);
      if (namespace === undefined || target === undefined || this.#chasing.has(namespace)) continue;
      this.#round.delete(namespace);
      this.#round.add(namespace);
      if (target.governance.actions.deny === undefined) continue;
      const verdict = await this.#limited(() => this.#mustDeny(target.governance)).catch(() => undefined);
      if (verdict?.kind === 'unproven') this.#start(namespace);
    }
  }

  async #limited<T>(task: () => Promise<T>): Promise<T> {
    while (this.#active >= this.#options.concurrency) await new Promise<void>((resolve) => this.#queue.push(resolve));
    this.#active += 1;
    try {
      return await task();
    } finally {
      this.#active -= 1;
      this.#queue.shift()?.();
    }
  }
}
