import { SYSTEM_NAMESPACE } from '@fso/shared/api';
import { Outage } from './outage.ts';
import { askCanary, judgeCanary, type ProbeVerdict } from './probe.ts';
import { ProbeRetries, type RetryResult } from './probe-retries.ts';
import { ProbeSchedule, UnansweredProbes } from './probe-schedule.ts';
import type { ProofState } from './probe-states.ts';
import type { ProberDeps, ProberOptions } from './prober.ts';
import { ProofTimes } from './proof-times.ts';
import { Semaphore } from './semaphore.ts';

/** Namespace in which lock 2 is to be proven. */
export interface CanaryTarget {
  /** Region that lock 1 allows, as lock 1 would otherwise refuse the pod first. */
  readonly region: string;
  /** Changes whenever earlier proofs no longer count. */
  readonly fingerprint: string;
  /** Possible reason why Gatekeeper is not called in this namespace. */
  readonly hint: string | undefined;
  /**
   * Whether the labels of the namespace are settled. If they are about to change, a proof would not
   * last, so it stays pending until then.
   */
  readonly isSettled: boolean;
}

/** Options as of {@link Prober}. The patience applies to namespaces that were never proven. */
export type CanaryProberOptions = Pick<ProberOptions, 'concurrency' | 'patienceMs'>;

const FIRST_RETRY_MS = 20;
const SAMPLE_WAIT_MS = 2_000;
const LONGEST_WAIT_MS = 60_000;

const CAUSES =
  'Gatekeeper is down, a Config of Gatekeeper excludes the namespace, or ValidatingWebhookConfiguration gatekeeper-validating-webhook-configuration does not select it';
const OUTAGE =
  'Gatekeeper is not called, or does not answer, in any namespace: check its pods and ValidatingWebhookConfiguration gatekeeper-validating-webhook-configuration; meanwhile requests pass without it';

/**
 * Proves lock 2 (step ⑦): shows by dry-run pods that only the canary constraint refuses that
 * Gatekeeper is called for each governed namespace and answers. Gatekeeper's own reports do not
 * prove it: a webhook that is gone, or was never called, fails open.
 */
export class CanaryProber {
  readonly #patienceMs: number;
  readonly #deps: ProberDeps;
  readonly #signal: AbortSignal;
  readonly #semaphore: Semaphore;
  #targets: ReadonlyMap<string, CanaryTarget> = new Map();
  readonly #states = new Map<string, ProofState>();
  readonly #retries: ProbeRetries;
  readonly #schedule = new ProbeSchedule();
  readonly #unanswered: UnansweredProbes;
  readonly #outage: Outage<'canary'>;
  readonly #times: ProofTimes;

  constructor({ concurrency, patienceMs }: CanaryProberOptions, deps: ProberDeps, signal: AbortSignal) {
    const { clock, budget, onChange } = deps;
    this.#patienceMs = patienceMs;
    this.#deps = deps;
    this.#signal = signal;
    this.#semaphore = new Semaphore(concurrency);
    this.#unanswered = new UnansweredProbes(clock);
    this.#times = new ProofTimes(clock);
    this.#retries = new ProbeRetries(
      {
        clock,
        budget,
        firstWaitMs: FIRST_RETRY_MS,
        probe: (namespace, elapsedMs) => this.#retry(namespace, elapsedMs),
        cost: () => 1,
        longestWaitMs: () => (this.#outage.isOn ? SAMPLE_WAIT_MS : LONGEST_WAIT_MS),
        onError: (namespace, error) => this.#fail(namespace, String(error)),
      },
      signal,
    );
    this.#outage = new Outage({
      schedule: this.#schedule,
      isProven: (namespace) => this.#states.get(namespace)?.state === 'proven',
      probe: (namespace) => this.#probe(namespace),
      onBegin: onChange,
      onEnd: () => this.#proveAllAgain(),
    });
  }

  /** Replaces the targets. There are none while the canary constraint is not in force. */
  expect(targets: ReadonlyMap<string, CanaryTarget>): void {
    const before = this.#targets;
    this.#targets = targets;
    for (const namespace of this.#states.keys()) if (!targets.has(namespace)) this.#forget(namespace);
    for (const [namespace, target] of targets) if (before.get(namespace) !== target) this.#take(namespace, target, before.get(namespace));
    if (targets.size === 0) this.#outage.end();
  }

  #take(namespace: string, target: CanaryTarget, before: CanaryTarget | undefined): void {
    const known = this.#states.get(namespace);
    if (known?.fingerprint !== target.fingerprint) this.#expectOne(namespace, target);
    else if (target.isSettled && before?.isSettled !== true) this.#begin(namespace, known);
  }

  #expectOne(namespace: string, { fingerprint, isSettled }: CanaryTarget): void {
    this.#states.set(namespace, { fingerprint, state: 'pending', message: undefined });
    this.#schedule.add(namespace);
    this.#times.expect(namespace);
    if (isSettled) this.#retries.start(namespace);
  }

  /**
   * Starts or resumes the retries of a namespace whose labels have settled. The canary ignores
   * these labels, so an earlier result still holds.
   */
  #begin(namespace: string, { state }: ProofState): void {
    if (state === 'pending') this.#retries.start(namespace);
    if (state === 'failed') this.#resume(namespace);
  }

  #forget(namespace: string): void {
    this.#states.delete(namespace);
    this.#schedule.remove(namespace);
    this.#unanswered.forget(namespace);
    this.#outage.forget(namespace);
    this.#times.forget(namespace);
  }

  /** State of a namespace; undefined if it is no target. */
  state(namespace: string): ProofState | undefined {
    return this.#states.get(namespace);
  }

  /** Time of the oldest proof among the namespaces, if there are any. */
  oldestProof(): Date | undefined {
    return this.#times.oldest();
  }

  /** Message while lock 2 is open in every namespace. */
  get outage(): string | undefined {
    return this.#outage.isOn ? OUTAGE : undefined;
  }

  /**
   * Message on where lock 2 is open. The agent's own namespace, which no policy governs, counts
   * only while it is the only target.
   */
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

  /** Probes the namespace that has waited longest. @returns the namespace, if there is one */
  probeNext(): string | undefined {
    return this.#schedule.runNext(
      (namespace) => this.#isSettled(namespace) && !this.#retries.has(namespace),
      (namespace) => this.#turn(namespace).catch((error) => this.#recordError(namespace, error)),
    );
  }

  /** Probes a second time if a proof no longer holds, as one lost response is no outage. */
  async #turn(namespace: string): Promise<void> {
    const first = await this.#probe(namespace);
    if (first?.kind === 'inconclusive' && this.#unanswered.recordMiss(namespace, 'canary')) this.#resume(namespace);
    if (first?.kind !== 'unproven' || this.#outage.isOn) return;
    const second = await this.#probe(namespace);
    if (second?.kind !== 'unproven') return;
    this.#fail(namespace, second.message);
    await this.#outage.suspect(namespace, 'canary');
    this.#resume(namespace);
  }

  #recordError(namespace: string, error: unknown): void {
    if (this.#signal.aborted) return;
    this.#fail(namespace, String(error));
    this.#resume(namespace);
  }

  #resume(namespace: string): void {
    if (this.#isSettled(namespace) && this.#outage.isSampled(namespace)) this.#retries.resume(namespace);
  }

  #isSettled(namespace: string): boolean {
    return this.#targets.get(namespace)?.isSettled === true;
  }

  async #retry(namespace: string, elapsedMs: () => number): Promise<RetryResult> {
    if (!this.#isSettled(namespace)) return 'over';
    const before = this.#states.get(namespace)?.state;
    const verdict = await this.#probe(namespace);
    if (verdict?.kind === 'proven') return 'proven';
    if (verdict !== undefined) this.#recordMiss(namespace, verdict, elapsedMs() > this.#patienceMs);
    if (before !== 'failed' && this.#states.get(namespace)?.state === 'failed') await this.#outage.suspect(namespace, 'canary');
    return verdict === undefined || this.#outage.isSampled(namespace) ? 'again' : 'over';
  }

  /** @returns undefined if the target changed meanwhile */
  async #probe(namespace: string): Promise<ProbeVerdict | undefined> {
    const target = this.#targets.get(namespace);
    if (target?.isSettled !== true) return undefined;
    const { client, floor, onVerdict } = this.#deps;
    const answer = await this.#semaphore.run(() => askCanary(client, { namespace, region: target.region }, this.#signal));
    if (this.#targets.get(namespace)?.fingerprint !== target.fingerprint) return undefined;
    const verdict = judgeCanary(answer, floor);
    onVerdict(verdict.kind);
    if (verdict.kind !== 'inconclusive') this.#unanswered.recordAnswer(namespace, 'canary');
    if (verdict.kind === 'proven') {
      this.#schedule.postpone(namespace);
      this.#times.recordProof(namespace);
      this.#set(namespace, { fingerprint: target.fingerprint, state: 'proven', message: undefined });
      await this.#outage.confirm(namespace, 'canary');
    }
    return verdict;
  }

  #fail(namespace: string, message: string): void {
    this.#recordMiss(namespace, { kind: 'unproven', message }, true);
  }

  /** Records a probe without a proof. A failed namespace stays failed until it is proven. */
  #recordMiss(namespace: string, verdict: Exclude<ProbeVerdict, { kind: 'proven' }>, isOver: boolean): void {
    const target = this.#targets.get(namespace);
    const known = this.#states.get(namespace);
    if (target === undefined || (known?.state === 'failed' && verdict.kind === 'inconclusive')) return;
    const overdue = verdict.kind === 'unproven' ? 'failed' : 'unanswered';
    const state = known?.state === 'failed' ? 'failed' : isOver ? overdue : 'pending';
    const cause = verdict.kind === 'unproven' ? `: ${target.hint ?? CAUSES}` : '';
    this.#set(namespace, { fingerprint: target.fingerprint, state, message: `namespace ${namespace}: ${verdict.message}${cause}` });
  }

  #set(namespace: string, next: ProofState): void {
    const previous = this.#states.get(namespace);
    this.#states.set(namespace, next);
    if (previous?.state !== next.state || previous.message !== next.message) this.#deps.onChange();
  }

  #proveAllAgain(): void {
    for (const [namespace, { fingerprint, isSettled }] of this.#targets) {
      this.#states.set(namespace, { fingerprint, state: 'pending', message: undefined });
      if (isSettled) this.#retries.resume(namespace);
    }
    this.#deps.onChange();
  }
}
