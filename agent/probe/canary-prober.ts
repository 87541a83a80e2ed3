import { SYSTEM_NAMESPACE } from '@fso/shared/api';
import type { KubeClient } from '@fso/shared/kube';
import type { Clock } from '@fso/shared/runtime';
import { Outage } from './outage.ts';
import { askCanary, type FloorNames, judgeCanary, type ProbeVerdict } from './probe.ts';
import { Chases, type LookResult } from './probe-retries.ts';
import { Round } from './probe-schedule.ts';
import type { RetryBudget } from './retry-budget.ts';
import { Lane } from './semaphore.ts';
import { Silences } from './unanswered-probes.ts';

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
const SCOUTS_WAIT_MS = 2_000;
const LONGEST_WAIT_MS = 60_000;

const CAUSES =
  'Gatekeeper is down, a Config of Gatekeeper excludes the namespace, or ValidatingWebhookConfiguration gatekeeper-validating-webhook-configuration does not select it';
const OUTAGE =
  'Gatekeeper is not asked, or does not answer, in any namespace: look at its pods and at ValidatingWebhookConfiguration gatekeeper-validating-webhook-configuration; requests pass it meanwhile';

type Question = 'canary';

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
  readonly #round = new Round();
  readonly #silences: Silences;
  readonly #outage: Outage<Question>;

  constructor(options: CanaryProberOptions, signal: AbortSignal) {
    this.#options = options;
    this.#signal = signal;
    this.#lane = new Lane(options.concurrency);
    this.#silences = new Silences(options.clock);
    this.#chases = new Chases(
      {
        clock: options.clock,
        budget: options.budget,
        firstWaitMs: FIRST_RETRY_MS,
        look: (namespace, elapsedMs) => this.#look(namespace, elapsedMs),
        cost: () => 1,
        longestWaitMs: () => (this.#outage.isOn ? SCOUTS_WAIT_MS : LONGEST_WAIT_MS),
        failed: (namespace, error) => this.#fail(namespace, String(error)),
      },
      signal,
    );
    this.#outage = new Outage({
      round: this.#round,
      isProven: (namespace) => this.#states.get(namespace)?.state === 'proven',
      ask: (namespace) => this.#ask(namespace),
      began: options.onChange,
      ended: () => this.#proveAllAnew(),
    });
  }

  /** Replaces what is to be proven: nothing while the canary constraint is not in force. */
  expect(targets: ReadonlyMap<string, CanaryTarget>): void {
    this.#targets = targets;
    for (const namespace of this.#states.keys()) if (!targets.has(namespace)) this.#forget(namespace);
    for (const [namespace, { fingerprint }] of targets) {
      if (this.#states.get(namespace)?.fingerprint === fingerprint) continue;
      this.#states.set(namespace, { fingerprint, state: 'pending', message: undefined });
      this.#round.join(namespace);
      this.#chases.start(namespace);
    }
    if (targets.size === 0) this.#outage.end();
  }

  #forget(namespace: string): void {
    this.#states.delete(namespace);
    this.#round.leave(namespace);
    this.#silences.forget(namespace);
    this.#outage.forget(namespace);
  }

  /** @returns undefined: there is nothing to ask in this namespace. */
  state(namespace: string): CanaryState | undefined {
    return this.#states.get(namespace);
  }

  /** Why lock 2 is open in every namespace; undefined: it is not. */
  get outage(): string | undefined {
    return this.#outage.isOn ? OUTAGE : undefined;
  }

  /** Where lock 2 is known to be open. The agent's own namespace governs nothing: it counts while there is no other. */
  get problem(): string | undefined {
    if (this.#outage.isOn) return OUTAGE;
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
    return this.#round.give(
      (namespace) => this.#targets.has(namespace) && !this.#chases.has(namespace),
      (namespace) => this.#turn(namespace).catch((error) => this.#broke(namespace, error)),
    );
  }

  /** A proof that no longer holds is asked for once more: one lost answer is no outage. */
  async #turn(namespace: string): Promise<void> {
    const first = await this.#ask(namespace);
    if (first?.kind === 'inconclusive' && this.#silences.missed(namespace, 'canary')) this.#resume(namespace);
    if (first?.kind !== 'unproven' || this.#outage.isOn) return;
    const second = await this.#ask(namespace);
    if (second?.kind !== 'unproven') return;
    this.#fail(namespace, second.message);
    await this.#outage.suspect(namespace, 'canary');
    this.#resume(namespace);
  }

  #broke(namespace: string, error: unknown): void {
    if (this.#signal.aborted) return;
    this.#fail(namespace, String(error));
    this.#resume(namespace);
  }

  #resume(namespace: string): void {
    if (this.#targets.has(namespace) && this.#outage.isScout(namespace)) this.#chases.resume(namespace);
  }

  async #look(namespace: string, elapsedMs: () => number): Promise<LookResult> {
    if (!this.#targets.has(namespace)) return 'over';
    const before = this.#states.get(namespace)?.state;
    const verdict = await this.#ask(namespace);
    if (verdict?.kind === 'proven') return 'proven';
    if (verdict !== undefined) this.#miss(namespace, verdict, elapsedMs() > this.#options.patienceMs);
    if (before !== 'failed' && this.#states.get(namespace)?.state === 'failed') await this.#outage.suspect(namespace, 'canary');
    return verdict === undefined || this.#outage.isScout(namespace) ? 'again' : 'over';
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
    if (verdict.kind !== 'inconclusive') this.#silences.answered(namespace, 'canary');
    if (verdict.kind === 'proven') {
      this.#round.visited(namespace);
      this.#set(namespace, { fingerprint: target.fingerprint, state: 'proven', message: undefined });
      await this.#outage.holds(namespace, 'canary');
    }
    return verdict;
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

  #proveAllAnew(): void {
    for (const [namespace, { fingerprint }] of this.#targets) {
      this.#states.set(namespace, { fingerprint, state: 'pending', message: undefined });
      this.#chases.resume(namespace);
    }
    this.#options.onChange();
  }
}
