import type { Clock } from '@fso/shared/runtime';
import type { NamespaceGovernance } from '../enforce/index.ts';
import { Outage } from './outage.ts';
import type { FloorNames, ProbeClient, ProbeVerdict } from './probe.ts';
import { ProbeRetries, type RetryResult } from './probe-retries.ts';
import { ProbeSchedule, RoundRobin, UnansweredProbes } from './probe-schedule.ts';
import { type ProbeState, ProbeStates } from './probe-states.ts';
import { ProofTimes } from './proof-times.ts';
import { type FindNodeOutside, type ProofKind, Proofs, proofsOf, proveAll, withNote } from './proofs.ts';
import type { RetryBudget } from './retry-budget.ts';
import { Semaphore } from './semaphore.ts';

/** Namespace in which lock 1 is to be proven, with the expected rules. */
export interface ProbeTarget {
  readonly governance: NamespaceGovernance;
  /** Changes whenever earlier proofs no longer count. */
  readonly fingerprint: string;
  /** UID of the namespace. */
  readonly uid: string;
  readonly floorVersion: number;
}

/** Bounds of a prober: concurrent requests, and times in ms. */
export interface ProberOptions {
  /** Whether this API server can have the bind gate. */
  readonly bindGate: boolean;
  /**
   * Most concurrent requests that only lock 1 answers, and likewise of those that also wait for
   * webhooks.
   */
  readonly concurrency: number;
  /** Time without a proof, in ms, after which a namespace counts as failed or unanswered. */
  readonly patienceMs: number;
  /** Longest wait between two probes of an unproven namespace, in ms. */
  readonly longestWaitMs: number;
}

/** API server to probe, and receivers of the results. */
export interface ProberDeps {
  readonly client: ProbeClient;
  readonly clock: Clock;
  readonly budget: RetryBudget;
  readonly floor: FloorNames;
  readonly nodeOutside: FindNodeOutside;
  /** Called when a state changes. */
  readonly onChange: () => void;
  readonly onVerdict: (verdict: ProbeVerdict['kind']) => void;
}

const FIRST_RETRY_MS = 5;
const SAMPLE_WAIT_MS = 2_000;
const OUTAGE =
  'lock 1 admits requests that it must refuse, in every namespace that was probed: check the ValidatingAdmissionPolicies fso-floor-*, their bindings, and whether the API server was started with ValidatingAdmissionPolicy disabled';

/** Kinds of proof that show whether lock 1 is closed. */
const CLOSED: readonly ProofKind[] = ['mustDeny', 'mustNotBind'];

/**
 * Proves lock 1 (step ⑦): shows by dry-run requests that it enforces the governance of each
 * namespace. A namespace whose governance changed is probed at once and until it is proven, see
 * {@link ProbeRetries}. Afterwards all namespaces take turns, see {@link ProbeSchedule}.
 */
export class Prober {
  readonly #bindGate: boolean;
  readonly #deps: ProberDeps;
  readonly #signal: AbortSignal;
  #targets: ReadonlyMap<string, ProbeTarget> = new Map();
  readonly #states: ProbeStates;
  /** Regions of the last proven governance, by governed namespace. */
  readonly #provenRegions = new Map<string, readonly string[]>();
  readonly #retries: ProbeRetries;
  readonly #schedule = new ProbeSchedule();
  readonly #kinds = new RoundRobin<ProofKind>();
  readonly #unanswered: UnansweredProbes;
  readonly #outage: Outage<ProofKind>;
  readonly #proofs: Proofs;
  readonly #times: ProofTimes;

  constructor(options: ProberOptions, deps: ProberDeps, signal: AbortSignal) {
    const { bindGate, concurrency, patienceMs, longestWaitMs } = options;
    const { client, clock, budget, floor, nodeOutside, onChange } = deps;
    this.#bindGate = bindGate;
    this.#deps = deps;
    this.#signal = signal;
    this.#states = new ProbeStates({ clock, patienceMs, signal, onChange });
    this.#proofs = new Proofs({ client, floor, nodeOutside, direct: new Semaphore(concurrency), webhooks: new Semaphore(concurrency) });
    this.#unanswered = new UnansweredProbes(clock);
    this.#times = new ProofTimes(clock);
    this.#retries = new ProbeRetries(
      {
        clock,
        budget,
        firstWaitMs: FIRST_RETRY_MS,
        probe: (namespace, elapsedMs) => this.#retry(namespace, elapsedMs),
        longestWaitMs: () => (this.#outage.isOn ? SAMPLE_WAIT_MS : longestWaitMs),
        cost: (namespace) => Math.max(1, this.#kindsOf(namespace).length),
        onError: (namespace, error) => this.#recordError(namespace, error),
      },
      signal,
    );
    this.#outage = new Outage({
      schedule: this.#schedule,
      isProven: (namespace) => this.#states.get(namespace)?.state === 'proven',
      probe: (namespace, kind) => this.#probe(namespace, kind),
      onBegin: onChange,
      onEnd: () => this.#proveAllAgain(),
    });
  }

  /**
   * Replaces the targets. The same object means that nothing changed.
   *
   * @param governed all governed namespaces, including those without a target now
   */
  expect(targets: ReadonlyMap<string, ProbeTarget>, governed: Pick<ReadonlySet<string>, 'has'> = targets): void {
    const before = this.#targets;
    if (targets === before) return;
    this.#targets = targets;
    for (const namespace of this.#states.retain(targets, governed)) this.#forget(namespace);
    // While the labels are written, it is no target, but the locks may still have its old regions.
    for (const namespace of this.#provenRegions.keys()) if (!governed.has(namespace)) this.#provenRegions.delete(namespace);
    for (const [namespace, target] of targets) {
      if (this.#states.get(namespace)?.fingerprint !== target.fingerprint) this.#expect(namespace, target, before.get(namespace));
    }
    if (targets.size === 0) this.#outage.end();
  }

  #expect(namespace: string, target: ProbeTarget, before: ProbeTarget | undefined): void {
    this.#states.expect(namespace, target.fingerprint, isGovernanceAlone(before, target));
    this.#schedule.add(namespace);
    // Without a kind of proof, no proof can become old.
    if (this.#kindsOf(namespace).length > 0) this.#times.expect(namespace);
    else this.#times.forget(namespace);
    if (isFloorAlone(before, target)) this.#retries.resume(namespace);
    else this.#retries.start(namespace);
  }

  #forget(namespace: string): void {
    this.#schedule.remove(namespace);
    for (const known of [this.#kinds, this.#unanswered, this.#outage, this.#times]) known.forget(namespace);
  }

  /** State of a namespace; undefined if it was not probed yet. */
  state(namespace: string): ProbeState | undefined {
    return this.#states.get(namespace);
  }

  /** Time of the oldest proof among the namespaces, if there are any. */
  oldestProof(): Date | undefined {
    return this.#times.oldest();
  }

  /** Message while lock 1 is open in every namespace. */
  get outage(): string | undefined {
    return this.#outage.isOn ? OUTAGE : undefined;
  }

  /** Number of namespaces whose proof is pending. */
  get pendingCount(): number {
    return this.#states.pendingCount;
  }

  /** Number of namespaces to prove. */
  get size(): number {
    return this.#targets.size;
  }

  /** Moves a namespace in which lock 2 was just probed to the end of the schedule. */
  postpone(namespace: string): void {
    this.#schedule.postpone(namespace);
  }

  /**
   * Runs the next proof of the namespace that has waited longest, and repeats it if the proof no
   * longer holds.
   */
  probeNext(): void {
    this.#schedule.runNext(
      (namespace) => this.#targets.has(namespace) && !this.#retries.has(namespace),
      (namespace) => this.#turn(namespace).catch((error) => this.#recordError(namespace, error)),
    );
  }

  async #turn(namespace: string): Promise<void> {
    const kind = this.#kinds.next(namespace, this.#kindsOf(namespace));
    const verdict = kind && (await this.#probe(namespace, kind));
    if (kind === undefined || verdict === undefined) return;
    if (verdict.kind === 'unproven') await this.#probeAgain(namespace, kind);
    else this.#recordVerdict(namespace, kind, kind === 'mustAdmit' ? withNote(verdict) : verdict);
    if (this.#states.get(namespace)?.state !== 'proven') this.#resume(namespace);
  }

  /** Probes a second time, as one lost response proves nothing. */
  async #probeAgain(namespace: string, kind: ProofKind): Promise<void> {
    const second = await this.#probe(namespace, kind);
    if (second?.kind !== 'unproven') return;
    if (CLOSED.includes(kind)) await this.#outage.suspect(namespace, kind);
    this.#resume(namespace);
  }

  #recordVerdict(namespace: string, kind: ProofKind, verdict: ProbeVerdict): void {
    if (verdict.kind !== 'proven') {
      if (this.#unanswered.recordMiss(namespace, kind)) this.#resume(namespace);
      return;
    }
    this.#unanswered.recordAnswer(namespace, kind);
    this.#times.recordProof(namespace);
    // Only this kind of proof can have a note.
    if (kind === 'mustAdmit') this.#states.note(namespace, verdict.note);
  }

  #resume(namespace: string): void {
    if (this.#targets.has(namespace) && this.#outage.isSampled(namespace)) this.#retries.resume(namespace);
  }

  #recordError(namespace: string, error: unknown): void {
    if (!this.#signal.aborted) this.#states.fail(namespace, error);
  }

  async #retry(namespace: string, elapsedMs: () => number): Promise<RetryResult> {
    const target = this.#targets.get(namespace);
    if (target === undefined) return 'over';
    const probe = (kind: ProofKind) => this.#probe(namespace, kind);
    const { verdict, kind } = await proveAll(this.#kindsOf(namespace), probe, elapsedMs);
    // The target may have changed meanwhile. Then this verdict is about the old one, and new
    // retries have started.
    if (this.#targets.get(namespace)?.fingerprint !== target.fingerprint) return 'again';
    const before = this.#states.get(namespace)?.state;
    this.#record(target, verdict, elapsedMs());
    if (verdict.kind === 'proven') return 'proven';
    const hasFailed = before !== 'failed' && this.#states.get(namespace)?.state === 'failed';
    if (hasFailed && kind !== undefined && CLOSED.includes(kind)) await this.#outage.suspect(namespace, kind);
    return this.#outage.isSampled(namespace) ? 'again' : 'over';
  }

  #record({ fingerprint, governance }: ProbeTarget, verdict: ProbeVerdict, elapsedMs: number): void {
    this.#deps.onVerdict(verdict.kind);
    const { namespace } = governance;
    if (verdict.kind !== 'proven') {
      this.#states.miss(namespace, fingerprint, verdict, elapsedMs);
      return;
    }
    this.#schedule.postpone(namespace);
    this.#times.recordProof(namespace);
    this.#provenRegions.set(namespace, governance.actions.deny?.regions ?? []);
    this.#states.prove(namespace, fingerprint, verdict.note);
  }

  #kindsOf(namespace: string): readonly ProofKind[] {
    const governance = this.#targets.get(namespace)?.governance;
    return governance === undefined ? [] : proofsOf(governance, this.#bindGate);
  }

  /** @returns undefined if the kind does not apply, or the target changed meanwhile */
  async #probe(namespace: string, kind: ProofKind): Promise<ProbeVerdict | undefined> {
    const target = this.#targets.get(namespace);
    if (target === undefined || !this.#kindsOf(namespace).includes(kind)) return undefined;
    const subject = { governance: target.governance, before: this.#provenRegions.get(namespace) ?? [] };
    const verdict = await this.#proofs.probe(kind, subject, this.#signal);
    if (this.#targets.get(namespace)?.fingerprint !== target.fingerprint) return undefined;
    if (verdict.kind === 'proven') await this.#outage.confirm(namespace, kind);
    return verdict;
  }

  #proveAllAgain(): void {
    for (const [namespace, target] of this.#targets) {
      this.#states.expect(namespace, target.fingerprint, false);
      this.#retries.resume(namespace);
    }
    this.#deps.onChange();
  }
}

/** Whether only the floor changed, which affects all namespaces at once. */
const isFloorAlone = (before: ProbeTarget | undefined, after: ProbeTarget): boolean =>
  before?.governance === after.governance && before.uid === after.uid && before.floorVersion !== after.floorVersion;

/** Whether only the governance changed. */
const isGovernanceAlone = (before: ProbeTarget | undefined, after: ProbeTarget): boolean =>
  before?.uid === after.uid && before.floorVersion === after.floorVersion && before.governance !== after.governance;
