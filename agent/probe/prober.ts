import type { KubeClient } from '@fso/shared/kube';
import type { Clock } from '@fso/shared/runtime';
import type { NamespaceGovernance } from '../enforce/types.ts';
import { Outage } from './outage.ts';
import type { FloorNames, ProbeVerdict } from './probe.ts';
import { Chases, type LookResult } from './probe-retries.ts';
import { Round } from './probe-schedule.ts';
import { type ProbeState, ProbeStates } from './probe-states.ts';
import { type ProofKind, Proofs, proofsOf } from './proofs.ts';
import type { RetryBudget } from './retry-budget.ts';
import { Turns } from './round-robin.ts';
import { Lane } from './semaphore.ts';
import { Silences } from './unanswered-probes.ts';

export interface ProbeTarget {
  readonly governance: NamespaceGovernance;
  /** Changes whenever what was proven before no longer counts. */
  readonly fingerprint: string;
  /** Of the namespace. */
  readonly uid: string;
  readonly floorVersion: number;
}

export interface ProberOptions {
  readonly client: KubeClient;
  readonly clock: Clock;
  readonly budget: RetryBudget;
  readonly floor: FloorNames;
  /** Whether this API server can have the bind gate. */
  readonly bindGate: boolean;
  /** Most requests at a time that only lock 1 answers, and as many more that also wait for webhooks. */
  readonly concurrency: number;
  /** Unproven for longer than this counts as failed, or as unanswered. */
  readonly patienceMs: number;
  readonly onChange: () => void;
  readonly onVerdict: (verdict: ProbeVerdict['kind']) => void;
}

const FIRST_RETRY_MS = 5;
const LONGEST_WAIT_MS = 60_000;
const SCOUTS_WAIT_MS = 2_000;
/** A service account that is not there yet, a webhook that starts: longer than this it is a rule that stands. */
const SETTLED_MS = 1_000;

const OUTAGE =
  'lock 1 lets pass what it must refuse, in every namespace that was asked: look at the ValidatingAdmissionPolicies fso-floor-*, their bindings, and whether the API server was started with ValidatingAdmissionPolicy disabled';

/** Proofs that lock 1 is shut. */
const SHUT: readonly ProofKind[] = ['mustDeny', 'mustNotBind'];

interface Finding {
  readonly verdict: ProbeVerdict;
  /** What was asked; undefined: all of it is proven. */
  readonly kind?: ProofKind;
}

/**
 * Proves, by dry-run requests, that lock 1 enforces what each namespace should have. A namespace whose governance
 * changed is asked for at once and again, see {@link Chases}, until it is proven; then all take turns, see {@link rotate}.
 */
export class Prober {
  readonly #options: ProberOptions;
  readonly #signal: AbortSignal;
  #targets: ReadonlyMap<string, ProbeTarget> = new Map();
  readonly #states: ProbeStates;
  /** Regions of the last proven governance, by namespace. */
  readonly #provenRegions = new Map<string, readonly string[]>();
  readonly #chases: Chases;
  readonly #round = new Round();
  readonly #turns = new Turns<ProofKind>();
  readonly #silences: Silences;
  readonly #outage: Outage<ProofKind>;
  readonly #proofs: Proofs;

  constructor(options: ProberOptions, signal: AbortSignal) {
    this.#options = options;
    this.#signal = signal;
    this.#states = new ProbeStates(options);
    this.#proofs = new Proofs({ ...options, direct: new Lane(options.concurrency), webhooks: new Lane(options.concurrency) });
    this.#silences = new Silences(options.clock);
    this.#chases = new Chases(
      {
        clock: options.clock,
        budget: options.budget,
        firstWaitMs: FIRST_RETRY_MS,
        look: (namespace, elapsedMs) => this.#look(namespace, elapsedMs),
        longestWaitMs: () => (this.#outage.isOn ? SCOUTS_WAIT_MS : LONGEST_WAIT_MS),
        cost: (namespace) => Math.max(1, this.#kindsOf(namespace).length),
        failed: (namespace, error) => this.#broke(namespace, error),
      },
      signal,
    );
    this.#outage = new Outage({
      round: this.#round,
      isProven: (namespace) => this.#states.get(namespace)?.state === 'proven',
      ask: (namespace, kind) => this.#ask(namespace, kind),
      began: options.onChange,
      ended: () => this.#proveAllAnew(),
    });
  }

  /**
   * Replaces what is to be proven.
   *
   * @param governed namespaces that are governed at all, also where nothing can be proven now
   */
  expect(targets: ReadonlyMap<string, ProbeTarget>, governed: Pick<ReadonlySet<string>, 'has'> = targets): void {
    const before = this.#targets;
    this.#targets = targets;
    for (const namespace of this.#states.keepOnly(targets, governed)) this.#forget(namespace);
    for (const [namespace, target] of targets) {
      if (this.#states.get(namespace)?.fingerprint !== target.fingerprint) this.#expect(namespace, target, before.get(namespace));
    }
    if (targets.size === 0) this.#outage.end();
  }

  #expect(namespace: string, target: ProbeTarget, before: ProbeTarget | undefined): void {
    this.#states.expect(namespace, target.fingerprint, isGovernanceAlone(before, target));
    this.#round.join(namespace);
    if (isFloorAlone(before, target)) this.#chases.resume(namespace);
    else this.#chases.start(namespace);
  }

  #forget(namespace: string): void {
    this.#provenRegions.delete(namespace);
    this.#round.leave(namespace);
    for (const known of [this.#turns, this.#silences, this.#outage]) known.forget(namespace);
  }

  /** @returns undefined: nothing was asked yet. */
  state(namespace: string): ProbeState | undefined {
    return this.#states.get(namespace);
  }

  /** Why lock 1 is open in every namespace; undefined: it is not. */
  get outage(): string | undefined {
    return this.#outage.isOn ? OUTAGE : undefined;
  }

  /** Whether anything that is expected may still turn out either way. */
  get isSettled(): boolean {
    return this.#states.isSettled;
  }

  /** Something else has just been asked in this namespace: others come first now. */
  visited(namespace: string): void {
    this.#round.visited(namespace);
  }

  /** Asks the namespace that waits longest for the next one of its proofs. What is not true any more is followed up. */
  probeNext(): void {
    this.#round.give(
      (namespace) => this.#targets.has(namespace) && !this.#chases.has(namespace),
      (namespace) => this.#turn(namespace).catch((error) => this.#broke(namespace, error)),
    );
  }

  async #turn(namespace: string): Promise<void> {
    const kind = this.#turns.next(namespace, this.#kindsOf(namespace));
    const verdict = kind && (await this.#ask(namespace, kind));
    if (kind === undefined || verdict === undefined) return;
    if (verdict.kind === 'unproven') await this.#doubt(namespace, kind);
    else this.#heed(namespace, kind, kind === 'mustAdmit' ? withNote(verdict) : verdict);
    if (this.#states.get(namespace)?.state !== 'proven') this.#resume(namespace);
  }

  /** One lost answer proves nothing. */
  async #doubt(namespace: string, kind: ProofKind): Promise<void> {
    const second = await this.#ask(namespace, kind);
    if (second?.kind !== 'unproven') return;
    if (SHUT.includes(kind)) await this.#outage.suspect(namespace, kind);
    this.#resume(namespace);
  }

  #heed(namespace: string, kind: ProofKind, verdict: ProbeVerdict): void {
    if (verdict.kind !== 'proven') {
      if (this.#silences.missed(namespace, kind)) this.#resume(namespace);
      return;
    }
    this.#silences.answered(namespace, kind);
    // The only proof that a note can be about.
    if (kind === 'mustAdmit') this.#states.note(namespace, verdict.note);
  }

  #resume(namespace: string): void {
    if (this.#targets.has(namespace) && this.#outage.isScout(namespace)) this.#chases.resume(namespace);
  }

  #broke(namespace: string, error: unknown): void {
    if (!this.#signal.aborted) this.#states.broke(namespace, error);
  }

  async #look(namespace: string, elapsedMs: () => number): Promise<LookResult> {
    const target = this.#targets.get(namespace);
    if (target === undefined) return 'over';
    const { verdict, kind } = await this.#prove(namespace, elapsedMs);
    // The target may have changed meanwhile: then this verdict speaks of something else, and a new chase has begun.
    if (this.#targets.get(namespace)?.fingerprint !== target.fingerprint) return 'again';
    const before = this.#states.get(namespace)?.state;
    this.#record(target, verdict, elapsedMs());
    if (verdict.kind === 'proven') return 'proven';
    const hasFailed = before !== 'failed' && this.#states.get(namespace)?.state === 'failed';
    if (hasFailed && kind !== undefined && SHUT.includes(kind)) await this.#outage.suspect(namespace, kind);
    return this.#outage.isScout(namespace) ? 'again' : 'over';
  }

  #record({ fingerprint, governance }: ProbeTarget, verdict: ProbeVerdict, elapsedMs: number): void {
    this.#options.onVerdict(verdict.kind);
    const { namespace } = governance;
    if (verdict.kind !== 'proven') {
      this.#states.miss(namespace, fingerprint, verdict, elapsedMs);
      return;
    }
    this.#round.visited(namespace);
    this.#provenRegions.set(namespace, governance.actions.deny?.regions ?? []);
    this.#states.prove(namespace, fingerprint, verdict.note);
  }

  #kindsOf(namespace: string): readonly ProofKind[] {
    const governance = this.#targets.get(namespace)?.governance;
    return governance === undefined ? [] : proofsOf(governance, this.#options.bindGate);
  }

  async #prove(namespace: string, elapsedMs: () => number): Promise<Finding> {
    const kinds = this.#kindsOf(namespace);
    const findings = await Promise.all(kinds.map(async (kind) => ({ kind, verdict: (await this.#ask(namespace, kind)) ?? OVERTAKEN })));
    const unproven = findings.find(({ verdict }) => verdict.kind === 'unproven');
    if (unproven !== undefined) return unproven;
    const open = findings.filter(({ verdict }) => verdict.kind !== 'proven');
    const [first] = open;
    if (first === undefined) return { verdict: { kind: 'proven' } };
    // That lock 1 refuses what it must, in the words now in force, is what enforces; who else refuses the rest is not its doing.
    const isSettled = open.length === 1 && first.kind === 'mustAdmit' && elapsedMs() > SETTLED_MS;
    return isSettled ? { verdict: withNote(first.verdict), kind: first.kind } : first;
  }

  /** @returns undefined: there is nothing to ask, or what is expected changed meanwhile */
  async #ask(namespace: string, kind: ProofKind): Promise<ProbeVerdict | undefined> {
    const target = this.#targets.get(namespace);
    if (target === undefined || !this.#kindsOf(namespace).includes(kind)) return undefined;
    const subject = { governance: target.governance, before: this.#provenRegions.get(namespace) ?? [] };
    const verdict = await this.#proofs.ask(kind, subject, this.#signal);
    if (this.#targets.get(namespace)?.fingerprint !== target.fingerprint) return undefined;
    if (verdict.kind === 'proven') await this.#outage.holds(namespace, kind);
    return verdict;
  }

  #proveAllAnew(): void {
    for (const [namespace, target] of this.#targets) {
      this.#states.expect(namespace, target.fingerprint, false);
      this.#chases.resume(namespace);
    }
    this.#options.onChange();
  }
}

const OVERTAKEN: ProbeVerdict = { kind: 'inconclusive', message: 'what is expected has changed' };

/** Whether nothing is new for the namespace but that the floor was written: of all namespaces at once. */
const isFloorAlone = (before: ProbeTarget | undefined, after: ProbeTarget): boolean =>
  before?.governance === after.governance && before.uid === after.uid && before.floorVersion !== after.floorVersion;

/** Whether the floor and the namespace are those of before. */
const isGovernanceAlone = (before: ProbeTarget | undefined, after: ProbeTarget): boolean =>
  before?.uid === after.uid && before.floorVersion === after.floorVersion && before.governance !== after.governance;

const withNote = (verdict: ProbeVerdict): ProbeVerdict =>
  verdict.kind === 'inconclusive' && verdict.foreign === true
    ? { kind: 'proven', note: `that a pod in an allowed region is admitted is not proven: ${verdict.message}` }
    : verdict;
