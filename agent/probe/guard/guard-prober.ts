import type { Clock } from '@fso/shared/runtime';
import type { GuardProbe } from '../../enforce/index.ts';
import { DRY_RUN, type ProbeAnswer, type ProbeClient, type ProbeVerdict, refuserOf, shownOf, toAnswer, unproven } from '../probe.ts';
import { ProbeRetries, type RetryResult } from '../probe-retries.ts';
import { ProbeSchedule } from '../probe-schedule.ts';
import type { ProofState } from '../probe-states.ts';
import type { ProberDeps } from '../prober.ts';
import { ProofTimes } from '../proof-times.ts';

const TIMEOUT_MS = 10_000;

const askGuard = async (client: ProbeClient, probe: GuardProbe, signal: AbortSignal): Promise<ProbeAnswer> => {
  const { path, contentType, body } = probe;
  const query = { ...probe.query, ...DRY_RUN };
  try {
    const { warnings } = await client.raw({ method: 'PATCH', path, query, body, contentType, timeoutMs: TIMEOUT_MS }, signal);
    return { kind: 'admitted', warnings };
  } catch (error) {
    return toAnswer(error, signal);
  }
};

/** Judges the write that this guard must refuse. Only a refusal that names the guard counts. */
const judgeGuard = (answer: ProbeAnswer, guard: string): ProbeVerdict => {
  if (answer.kind === 'admitted') return unproven('the API server admitted the dry run that proves it');
  const text = shownOf(answer.message);
  if (answer.kind === 'unreachable') return { kind: 'inconclusive', message: `no answer: ${text}` };
  if (refuserOf(answer.message).policy === guard) return { kind: 'proven' };
  return { kind: 'inconclusive', foreign: true, message: `the API server refuses the dry run that proves it for another reason: ${text}` };
};

/** Guard to prove, with the dry run that it must refuse. */
export interface GuardTarget {
  readonly probe: GuardProbe;
  /** Changes whenever earlier proofs no longer count. */
  readonly fingerprint: string;
}

/** Problem of the guards that their proofs show. */
export interface GuardProblem {
  /**
   * Open: a guard admits what it must refuse. Unproven: it is unknown whether one does. Proving: it
   * will be known soon.
   */
  readonly reason: 'Open' | 'Unproven' | 'Proving';
  readonly message: string;
}

const FIRST_RETRY_MS = 20;
const LONGEST_WAIT_MS = 10_000;
/**
 * Time for a changed guard to be enforced, in ms. An API server enforces a changed policy about a
 * second after the write, and each API server does so on its own.
 */
const PATIENCE_MS = 10_000;
/** Longer than the restart of an API server, in ms. */
const UNANSWERED_MS = 60_000;

const CAUSES =
  'check its ValidatingAdmissionPolicy and binding, and whether an API server was started with ValidatingAdmissionPolicy disabled';

/**
 * Proves the guards (step ⑦): shows by dry runs of the agent that only one guard refuses that the
 * API server enforces each guard. Unchanged policies and bindings do not prove it: the agent may no
 * longer be able to read them, and an API server may not evaluate them.
 */
export class GuardProber {
  readonly #deps: Omit<ProberDeps, 'floor'>;
  readonly #signal: AbortSignal;
  #targets: ReadonlyMap<string, GuardTarget> = new Map();
  readonly #states = new Map<string, ProofState>();
  /**
   * Time of the first unanswered dry run of each guard, monotonic ms. Unanswered: neither refused
   * by the guard nor admitted by the API server.
   */
  readonly #unansweredSince = new Map<string, number>();
  readonly #retries: ProbeRetries;
  readonly #schedule = new ProbeSchedule();
  readonly #times: ProofTimes;

  constructor(deps: Omit<ProberDeps, 'floor'>, signal: AbortSignal) {
    const { clock, budget } = deps;
    this.#deps = deps;
    this.#signal = signal;
    this.#times = new ProofTimes(clock);
    this.#retries = new ProbeRetries(
      {
        clock,
        budget,
        firstWaitMs: FIRST_RETRY_MS,
        probe: (guard, elapsedMs) => this.#retry(guard, elapsedMs),
        cost: () => 1,
        longestWaitMs: () => LONGEST_WAIT_MS,
        onError: (guard, error) => this.#recordError(guard, error),
      },
      signal,
    );
  }

  /**
   * Replaces the targets, by the name of the guard. Guards that are not in place are no targets.
   */
  expect(targets: ReadonlyMap<string, GuardTarget>): void {
    this.#targets = targets;
    for (const guard of this.#states.keys()) if (!targets.has(guard)) this.#forget(guard);
    for (const [guard, { fingerprint }] of targets) {
      if (this.#states.get(guard)?.fingerprint !== fingerprint) this.#expectOne(guard, fingerprint);
    }
  }

  /**
   * Expects a new proof. A rewritten guard may still behave as before, so only a proof ends a
   * problem.
   */
  #expectOne(guard: string, fingerprint: string): void {
    const known = this.#states.get(guard);
    const isProblem = known?.state === 'failed' || known?.state === 'unanswered';
    this.#states.set(guard, isProblem ? { ...known, fingerprint } : { fingerprint, state: 'pending', message: undefined });
    this.#unansweredSince.delete(guard);
    this.#schedule.add(guard);
    this.#times.expect(guard);
    this.#retries.start(guard);
  }

  #forget(guard: string): void {
    this.#states.delete(guard);
    this.#unansweredSince.delete(guard);
    this.#schedule.remove(guard);
    this.#times.forget(guard);
  }

  /** State of a guard; undefined if it is no target. */
  state(guard: string): ProofState | undefined {
    return this.#states.get(guard);
  }

  /** Time of the oldest proof among the guards, if there are any. */
  oldestProof(): Date | undefined {
    return this.#times.oldest();
  }

  /** Worst problem of the guards; undefined if all are proven. */
  get problem(): GuardProblem | undefined {
    const failed = this.#messagesOf('failed');
    if (failed.length > 0) return { reason: 'Open', message: failed.join('; ') };
    const unanswered = this.#messagesOf('unanswered');
    if (unanswered.length > 0) return { reason: 'Unproven', message: unanswered.join('; ') };
    const pending = [...this.#states].flatMap(([guard, { state }]) => (state === 'pending' ? [guard] : []));
    return pending.length === 0 ? undefined : { reason: 'Proving', message: `not proven yet: ${pending.join(', ')}` };
  }

  #messagesOf(wanted: ProofState['state']): readonly string[] {
    return [...this.#states.values()].flatMap(({ state, message }) => (state === wanted && message !== undefined ? [message] : []));
  }

  /** Probes the guard that has waited longest. @returns the guard, if there is one */
  probeNext(): string | undefined {
    return this.#schedule.runNext(
      (guard) => !this.#retries.has(guard),
      (guard) => this.#turn(guard).catch((error) => this.#recordError(guard, error)),
    );
  }

  /**
   * Probes a second time if the guard admits, as one of several API servers may have just started.
   */
  async #turn(guard: string): Promise<void> {
    const first = await this.#probe(guard);
    const verdict = first?.kind === 'unproven' ? await this.#probe(guard) : first;
    if (verdict === undefined) return;
    this.#record(guard, verdict, true);
    if (verdict.kind !== 'proven') this.#retries.resume(guard);
  }

  async #retry(guard: string, elapsedMs: () => number): Promise<RetryResult> {
    if (!this.#targets.has(guard)) return 'over';
    const verdict = await this.#probe(guard);
    if (verdict === undefined) return 'again';
    this.#record(guard, verdict, elapsedMs() > PATIENCE_MS);
    return verdict.kind === 'proven' ? 'proven' : 'again';
  }

  /** @returns undefined if the target changed meanwhile */
  async #probe(guard: string): Promise<ProbeVerdict | undefined> {
    const target = this.#targets.get(guard);
    if (target === undefined) return undefined;
    const verdict = judgeGuard(await askGuard(this.#deps.client, target.probe, this.#signal), guard);
    if (this.#targets.get(guard)?.fingerprint !== target.fingerprint) return undefined;
    this.#deps.onVerdict(verdict.kind);
    return verdict;
  }

  #recordError(guard: string, error: unknown): void {
    if (this.#signal.aborted) return;
    this.#record(guard, { kind: 'inconclusive', message: String(error) }, true);
    if (this.#targets.has(guard)) this.#retries.resume(guard);
  }

  /** @param isOver whether the patience has ended */
  #record(guard: string, verdict: ProbeVerdict, isOver: boolean): void {
    const known = this.#states.get(guard);
    if (known === undefined) return;
    if (verdict.kind === 'inconclusive') this.#recordNoAnswer(guard, known, verdict.message);
    else this.#unansweredSince.delete(guard);
    if (verdict.kind === 'unproven') this.#recordAdmission(guard, known, { message: verdict.message, isOver });
    if (verdict.kind === 'proven') this.#recordProof(guard, known);
  }

  #recordProof(guard: string, { fingerprint }: ProofState): void {
    this.#schedule.postpone(guard);
    this.#times.recordProof(guard);
    this.#set(guard, { fingerprint, state: 'proven', message: undefined });
  }

  #recordAdmission(guard: string, { fingerprint, state }: ProofState, { message, isOver }: { message: string; isOver: boolean }): void {
    const isFailed = isOver || state === 'failed' || state === 'unanswered';
    const text = `guard ${guard} does not refuse what it must: ${message}; ${CAUSES}`;
    this.#set(guard, { fingerprint, state: isFailed ? 'failed' : 'pending', message: text });
  }

  /**
   * Records a dry run that proves nothing. A guard that was proven recently stays proven for a
   * while.
   */
  #recordNoAnswer(guard: string, { fingerprint, state }: ProofState, message: string): void {
    const since = this.#unansweredSince.get(guard) ?? this.#deps.clock.monotonicMs();
    this.#unansweredSince.set(guard, since);
    if (state === 'failed' || !isLong(since, this.#deps.clock)) return;
    this.#set(guard, { fingerprint, state: 'unanswered', message: `guard ${guard} is not proven to refuse what it must: ${message}` });
  }

  #set(guard: string, next: ProofState): void {
    const previous = this.#states.get(guard);
    this.#states.set(guard, next);
    const isNew = previous?.state !== next.state;
    if (isNew || (next.state !== 'pending' && previous.message !== next.message)) this.#deps.onChange();
  }
}

const isLong = (since: number, clock: Pick<Clock, 'monotonicMs'>): boolean => clock.monotonicMs() - since >= UNANSWERED_MS;
