import { SYSTEM_NAMESPACE } from '@fso/shared/api';
import type { KubeClient } from '@fso/shared/kube';
import type { Clock } from '@fso/shared/runtime';
import { Lane } from './lane.ts';
import { askCanary, type FloorNames, judgeCanary, type ProbeVerdict } from './probe.ts';

export interface CanaryTarget {
  /** One that lock 1 allows: its refusal would come first. */
  readonly region: string;
  /** Changes whenever what was proven before no longer counts. */
  readonly fingerprint: string;
  /** What the agent sees in the namespace that keeps Gatekeeper out. */
  readonly hint: string | undefined;
}

export interface CanaryState {
  readonly fingerprint: string;
  readonly state: 'pending' | 'proven' | 'failed';
  readonly message: string | undefined;
  /** Nothing was heard of this namespace since the agent started. */
  readonly first: boolean;
}

export interface CanaryProberOptions {
  readonly client: KubeClient;
  readonly clock: Clock;
  readonly floor: FloorNames;
  readonly concurrency: number;
  /** A namespace that was never proven counts as failed after this. */
  readonly patienceMs: number;
  readonly onChange: () => void;
  readonly onVerdict: (verdict: ProbeVerdict['kind']) => void;
}

const FIRST_RETRY_MS = 20;
const MAX_RETRY_MS = 2_000;
/** So many other namespaces are asked before Gatekeeper as a whole counts as gone. */
const SURVEYED = 3;

const CAUSES =
  'Gatekeeper is down, a Config of Gatekeeper excludes the namespace, or ValidatingWebhookConfiguration gatekeeper-validating-webhook-configuration does not select it';
const OUTAGE =
  'Gatekeeper is not asked, or does not answer, in any namespace: look at its pods and at ValidatingWebhookConfiguration gatekeeper-validating-webhook-configuration; requests pass it meanwhile';

/**
 * Proves, by dry-run pods that only the canary constraint refuses, that Gatekeeper is asked about each governed namespace
 * and answers. What Gatekeeper writes about itself cannot tell: a webhook that is gone, or was never called, fails open.
 */
export class CanaryProber {
  readonly #options: CanaryProberOptions;
  readonly #signal: AbortSignal;
  readonly #lane: Lane;
  #targets: ReadonlyMap<string, CanaryTarget> = new Map();
  readonly #states = new Map<string, CanaryState>();
  readonly #seen = new Set<string>();
  readonly #chasing = new Set<string>();
  readonly #asking = new Set<string>();
  /** Namespaces in the order of their last answer. */
  readonly #round = new Set<string>();
  #outage: string | undefined;

  constructor(options: CanaryProberOptions, signal: AbortSignal) {
    this.#options = options;
    this.#signal = signal;
    this.#lane = new Lane(options.concurrency);
  }

  /** Replaces what is to be proven: nothing while the canary constraint is not in force. */
  expect(targets: ReadonlyMap<string, CanaryTarget>): void {
    this.#targets = targets;
    for (const namespace of this.#states.keys()) if (!targets.has(namespace)) this.#forget(namespace);
    for (const [namespace, { fingerprint }] of targets) {
      if (this.#states.get(namespace)?.fingerprint === fingerprint) continue;
      this.#states.set(namespace, { fingerprint, state: 'pending', message: undefined, first: !this.#seen.has(namespace) });
      this.#seen.add(namespace);
      this.#round.add(namespace);
      this.#start(namespace);
    }
    if (targets.size === 0) this.#outage = undefined;
  }

  #forget(namespace: string): void {
    this.#states.delete(namespace);
    this.#round.delete(namespace);
  }

  /** @returns undefined: there is nothing to ask in this namespace. */
  state(namespace: string): CanaryState | undefined {
    return this.#states.get(namespace);
  }

  /** Why lock 2 is open in every namespace; undefined: it is not. */
  get outage(): string | undefined {
    return this.#outage;
  }

  /** Where lock 2 is known to be open. The agent's own namespace governs nothing: it counts while there is no other. */
  get problem(): string | undefined {
    if (this.#outage !== undefined) return this.#outage;
    const failed = [...this.#states].filter(
      ([namespace, { state }]) => state === 'failed' && (namespace !== SYSTEM_NAMESPACE || this.#states.size === 1),
    );
    const [first] = failed;
    if (first === undefined) return undefined;
    const more = failed.length === 1 ? '' : ` (and ${failed.length - 1} more namespaces)`;
    return `${first[1].message ?? first[0]}${more}`;
  }

  /** Asks in the namespace that waits longest. @returns it; undefined: there is none to ask in */
  turn(): string | undefined {
    const namespace = this.#round.values().next().value;
    const target = namespace === undefined ? undefined : this.#targets.get(namespace);
    if (namespace === undefined || target === undefined) return undefined;
    this.#visited(namespace);
    if (!this.#asking.has(namespace) && !this.#chasing.has(namespace)) {
      this.#asking.add(namespace);
      this.#check(namespace)
        .catch(() => undefined)
        .finally(() => this.#asking.delete(namespace));
    }
    return namespace;
  }

  #visited(namespace: string): void {
    this.#round.delete(namespace);
    this.#round.add(namespace);
  }

  /** A proof that no longer holds is asked for once more: one lost answer is no outage. */
  async #check(namespace: string): Promise<void> {
    const first = await this.#ask(namespace);
    if (first?.kind !== 'unproven') return;
    const second = await this.#ask(namespace);
    if (second?.kind !== 'unproven') return;
    this.#fail(namespace, second.message);
    this.#start(namespace);
    await this.#survey(namespace);
  }

  /** Whether others are as open as this one. */
  async #survey(namespace: string): Promise<void> {
    const others = [...this.#round].filter((other) => other !== namespace && this.#states.get(other)?.state === 'proven');
    const verdicts = await Promise.all(others.slice(0, SURVEYED).map((other) => this.#ask(other)));
    if (
      verdicts.length === 0 ||
      verdicts.some((verdict) => verdict?.kind !== 'unproven') ||
      this.#states.get(namespace)?.state !== 'failed'
    )
      return;
    this.#setOutage(OUTAGE);
  }

  #start(namespace: string): void {
    if (this.#chasing.has(namespace)) return;
    this.#chasing.add(namespace);
    void this.#follow(namespace);
  }

  /** Never rejects. */
  async #follow(namespace: string): Promise<void> {
    try {
      await this.#chase(namespace);
    } catch (error) {
      if (!this.#signal.aborted) this.#fail(namespace, String(error));
    } finally {
      this.#chasing.delete(namespace);
      if (!this.#signal.aborted && this.#states.get(namespace)?.state === 'pending') this.#start(namespace);
    }
  }

  async #chase(namespace: string): Promise<void> {
    const { clock, patienceMs } = this.#options;
    let began = clock.monotonicMs();
    let fingerprint: string | undefined;
    for (let wait = FIRST_RETRY_MS; !this.#signal.aborted; wait = Math.min(MAX_RETRY_MS, wait * 2)) {
      const target = this.#targets.get(namespace);
      if (target === undefined) return;
      if (target.fingerprint !== fingerprint) began = clock.monotonicMs();
      fingerprint = target.fingerprint;
      const verdict = await this.#ask(namespace);
      if (verdict?.kind === 'proven') return;
      if (verdict !== undefined) this.#miss(namespace, verdict.message, clock.monotonicMs() - began > patienceMs);
      await clock.sleep(wait, this.#signal);
    }
  }

  /** @returns undefined: what was asked for changed meanwhile */
  async #ask(namespace: string): Promise<ProbeVerdict | undefined> {
    const target = this.#targets.get(namespace);
    if (target === undefined) return undefined;
    const { client, floor, onVerdict } = this.#options;
    const answer = await this.#lane.run(() => askCanary(client, { namespace, region: target.region }, this.#signal));
    if (this.#targets.get(namespace)?.fingerprint !== target.fingerprint) return undefined;
    const verdict = judgeCanary(answer, floor);
    onVerdict(verdict.kind);
    if (verdict.kind === 'proven') this.#prove(namespace, target.fingerprint);
    return verdict;
  }

  #prove(namespace: string, fingerprint: string): void {
    this.#visited(namespace);
    this.#setOutage(undefined);
    this.#set(namespace, { fingerprint, state: 'proven', message: undefined, first: false });
  }

  #fail(namespace: string, message: string): void {
    this.#miss(namespace, message, true);
  }

  /** One that failed stays so until it is proven. */
  #miss(namespace: string, message: string, isOver: boolean): void {
    const target = this.#targets.get(namespace);
    const known = this.#states.get(namespace);
    if (target === undefined) return;
    const state = isOver || known?.state === 'failed' ? 'failed' : 'pending';
    const text = `namespace ${namespace}: ${message}: ${target.hint ?? CAUSES}`;
    this.#set(namespace, { fingerprint: target.fingerprint, state, message: text, first: known?.first ?? false });
  }

  #set(namespace: string, next: CanaryState): void {
    const previous = this.#states.get(namespace);
    this.#states.set(namespace, next);
    if (previous?.state !== next.state || previous.message !== next.message) this.#options.onChange();
  }

  #setOutage(outage: string | undefined): void {
    if (this.#outage === outage) return;
    this.#outage = outage;
    this.#options.onChange();
  }
}
