import { SYSTEM_NAMESPACE } from '@fso/shared/api';
import type { KubeClient } from '@fso/shared/kube';
import type { Clock } from '@fso/shared/runtime';
import { Chases } from './chases.ts';
import { Lane } from './lane.ts';
import { askCanary, type FloorNames, judgeCanary, type ProbeVerdict } from './probe.ts';
import type { RetryBudget } from './retry-budget.ts';

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
  /** unanswered: something else has answered, or nobody, for longer than the patience. */
  readonly state: 'pending' | 'proven' | 'failed' | 'unanswered';
  readonly message: string | undefined;
}

export interface CanaryProberOptions {
  readonly client: KubeClient;
  readonly clock: Clock;
  readonly budget: RetryBudget;
  readonly floor: FloorNames;
  readonly concurrency: number;
  /** A namespace that was never proven counts as failed after this. */
  readonly patienceMs: number;
  readonly onChange: () => void;
  readonly onVerdict: (verdict: ProbeVerdict['kind']) => void;
}

const FIRST_RETRY_MS = 20;
/** So many other namespaces are asked before Gatekeeper as a whole counts as gone. */
const SURVEYED = 3;
/** So many look whether an outage is over; the others wait for that. */
const SCOUTS = 3;
const SCOUTS_WAIT_MS = 2_000;
const LONGEST_WAIT_MS = 60_000;

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
  readonly #chases: Chases;
  /** Namespaces that are looked at while there is an outage. */
  readonly #scouts = new Set<string>();
  /** Namespaces that are looked at again once the outage is over. */
  readonly #parked = new Set<string>();
  readonly #asking = new Set<string>();
  /** Namespaces in the order of their last answer. */
  readonly #round = new Set<string>();
  #outage: string | undefined;
  #isSurveying = false;

  constructor(options: CanaryProberOptions, signal: AbortSignal) {
    this.#options = options;
    this.#signal = signal;
    this.#lane = new Lane(options.concurrency);
    this.#chases = new Chases(
      {
        clock: options.clock,
        budget: options.budget,
        firstWaitMs: FIRST_RETRY_MS,
        look: (namespace, elapsedMs) => this.#look(namespace, elapsedMs),
        cost: () => 1,
        longestWaitMs: () => (this.#outage === undefined ? LONGEST_WAIT_MS : SCOUTS_WAIT_MS),
        failed: (namespace, error) => this.#fail(namespace, String(error)),
      },
      signal,
    );
  }

  /** Replaces what is to be proven: nothing while the canary constraint is not in force. */
  expect(targets: ReadonlyMap<string, CanaryTarget>): void {
    this.#targets = targets;
    for (const namespace of this.#states.keys()) if (!targets.has(namespace)) this.#forget(namespace);
    for (const [namespace, { fingerprint }] of targets) {
      if (this.#states.get(namespace)?.fingerprint === fingerprint) continue;
      this.#states.set(namespace, { fingerprint, state: 'pending', message: undefined });
      this.#round.add(namespace);
      this.#chases.start(namespace);
    }
    if (targets.size === 0) this.#setOutage(undefined);
  }

  #forget(namespace: string): void {
    this.#states.delete(namespace);
    this.#round.delete(namespace);
    this.#scouts.delete(namespace);
    this.#parked.delete(namespace);
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
  probeNext(): string | undefined {
    const namespace = this.#round.values().next().value;
    const target = namespace === undefined ? undefined : this.#targets.get(namespace);
    if (namespace === undefined || target === undefined) return undefined;
    this.#visited(namespace);
    if (!this.#asking.has(namespace) && !this.#chases.has(namespace)) {
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
    if (this.#outage !== undefined) return void this.#parked.add(namespace);
    const second = await this.#ask(namespace);
    if (second?.kind !== 'unproven') return;
    this.#fail(namespace, second.message);
    await this.#survey(namespace);
    this.#chases.resume(namespace);
  }

  /** Whether others are as open as this one: the agent's own namespace among them, which nobody else has a say in. */
  async #survey(namespace: string): Promise<void> {
    if (this.#outage !== undefined || this.#isSurveying) return;
    this.#isSurveying = true;
    const isEverywhere = await this.#isOpenElsewhere(namespace).finally(() => {
      this.#isSurveying = false;
    });
    if (isEverywhere && this.#states.get(namespace)?.state === 'failed') this.#setOutage(OUTAGE);
  }

  async #isOpenElsewhere(namespace: string): Promise<boolean> {
    const others = [...this.#round].filter((other) => other !== namespace && other !== SYSTEM_NAMESPACE);
    const proven = others.filter((other) => this.#states.get(other)?.state === 'proven');
    const own = namespace !== SYSTEM_NAMESPACE && this.#targets.has(SYSTEM_NAMESPACE) ? [SYSTEM_NAMESPACE] : [];
    const asked = [...own, ...(proven.length > 0 ? proven : others).slice(0, SURVEYED)];
    const verdicts = await Promise.all(asked.map((other) => this.#ask(other)));
    return verdicts.length > 0 && verdicts.every((verdict) => verdict?.kind === 'unproven');
  }

  async #look(namespace: string, elapsedMs: () => number): Promise<'proven' | 'over' | 'again'> {
    if (!this.#targets.has(namespace)) return 'over';
    const before = this.#states.get(namespace)?.state;
    const verdict = await this.#ask(namespace);
    if (verdict?.kind === 'proven') return 'proven';
    if (verdict !== undefined) this.#miss(namespace, verdict, elapsedMs() > this.#options.patienceMs);
    if (before !== 'failed' && this.#states.get(namespace)?.state === 'failed') await this.#survey(namespace);
    return verdict === undefined || this.#isScout(namespace) ? 'again' : 'over';
  }

  /** In an outage all but a few are left alone until it is over. */
  #isScout(namespace: string): boolean {
    if (this.#outage === undefined || this.#scouts.has(namespace)) return true;
    const isScout = this.#scouts.size < SCOUTS;
    if (isScout) this.#scouts.add(namespace);
    else this.#parked.add(namespace);
    return isScout;
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
    this.#set(namespace, { fingerprint, state: 'proven', message: undefined });
    this.#setOutage(undefined);
  }

  #fail(namespace: string, message: string): void {
    this.#miss(namespace, { kind: 'unproven', message }, true);
  }

  /** One that failed stays so until it is proven. */
  #miss(namespace: string, verdict: Exclude<ProbeVerdict, { kind: 'proven' }>, isOver: boolean): void {
    const target = this.#targets.get(namespace);
    const known = this.#states.get(namespace);
    if (target === undefined || (known?.state === 'failed' && verdict.kind === 'inconclusive')) return;
    const overdue = verdict.kind === 'unproven' ? 'failed' : 'unanswered';
    const state = known?.state === 'failed' ? 'failed' : isOver ? overdue : 'pending';
    const cause = verdict.kind === 'unproven' ? `: ${target.hint ?? CAUSES}` : '';
    this.#set(namespace, { fingerprint: target.fingerprint, state, message: `namespace ${namespace}: ${verdict.message}${cause}` });
  }

  #set(namespace: string, next: CanaryState): void {
    const previous = this.#states.get(namespace);
    this.#states.set(namespace, next);
    if (previous?.state !== next.state || previous.message !== next.message) this.#options.onChange();
  }

  #setOutage(outage: string | undefined): void {
    if (this.#outage === outage) return;
    this.#outage = outage;
    const parked = [...this.#parked];
    this.#parked.clear();
    this.#scouts.clear();
    for (const namespace of parked) this.#chases.resume(namespace);
    this.#options.onChange();
  }
}
