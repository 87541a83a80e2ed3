import type { KubeClient } from '@fso/shared/kube';
import type { Clock } from '@fso/shared/runtime';
import type { NamespaceGovernance } from '../../enforce/types.ts';
import { Chases } from './chases.ts';
import { Lane } from './lane.ts';
import type { FloorNames, ProbeVerdict } from './probe.ts';
import { type ProofKind, Proofs, proofsOf } from './proofs.ts';
import type { RetryBudget } from './retry-budget.ts';

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
  /**
   * failed: proven not to hold for longer than the patience. unanswered: for so long something else has answered, or nobody,
   * and nothing is known.
   */
  readonly state: 'pending' | 'proven' | 'failed' | 'unanswered';
  /** Of one that is proven: what could not be asked. */
  readonly message: string | undefined;
  /** Since the agent started nothing was heard of this namespace, neither that lock 1 holds nor that it does not. */
  readonly first: boolean;
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
/** A service account that is not there yet, a webhook that starts: longer than this it is a rule that stands. */
const SETTLED_MS = 1_000;

/**
 * Proves, by dry-run requests, that lock 1 enforces what each namespace should have. A namespace whose governance
 * changed is asked for at once and again, see {@link Chases}, until it is proven; then all take turns, see {@link rotate}.
 */
export class Prober {
  readonly #options: ProberOptions;
  readonly #signal: AbortSignal;
  #targets: ReadonlyMap<string, ProbeTarget> = new Map();
  readonly #states = new Map<string, ProbeState>();
  readonly #chases: Chases;
  /** Governed namespaces of which something was expected. */
  readonly #seen = new Set<string>();
  /** Regions of the last proven governance, by namespace. */
  readonly #provenRegions = new Map<string, readonly string[]>();
  /** Namespaces in the order of their last proof: the first is the next of the rotation. */
  readonly #round = new Set<string>();
  /** How many proofs the rotation has asked for of a namespace: each time the next kind. */
  readonly #turns = new Map<string, number>();
  readonly #rotating = new Set<string>();
  readonly #proofs: Proofs;

  constructor(options: ProberOptions, signal: AbortSignal) {
    this.#options = options;
    this.#signal = signal;
    this.#proofs = new Proofs({ ...options, direct: new Lane(options.concurrency), webhooks: new Lane(options.concurrency) });
    this.#chases = new Chases(
      {
        clock: options.clock,
        budget: options.budget,
        firstWaitMs: FIRST_RETRY_MS,
        look: (namespace, elapsedMs) => this.#look(namespace, elapsedMs),
        longestWaitMs: () => LONGEST_WAIT_MS,
        cost: (namespace) => Math.max(1, this.#kindsOf(namespace).length),
        failed: (namespace, error) => this.#broke(namespace, error),
      },
      signal,
    );
  }

  /**
   * Replaces what is to be proven.
   *
   * @param governed namespaces that are governed at all, also where nothing can be proven now
   */
  expect(targets: ReadonlyMap<string, ProbeTarget>, governed: Pick<ReadonlySet<string>, 'has'> = targets): void {
    const before = this.#targets;
    this.#targets = targets;
    this.#forgetAllBut(targets, governed);
    for (const [namespace, target] of targets) {
      if (this.#states.get(namespace)?.fingerprint !== target.fingerprint) this.#expect(namespace, target, before.get(namespace));
    }
  }

  #expect(namespace: string, target: ProbeTarget, before: ProbeTarget | undefined): void {
    const { fingerprint } = target;
    this.#states.set(namespace, { fingerprint, state: 'pending', message: undefined, first: !this.#seen.has(namespace) });
    this.#seen.add(namespace);
    if (isFloorAlone(before, target)) this.#chases.resume(namespace);
    else this.#chases.start(namespace);
  }

  #forgetAllBut(targets: ReadonlyMap<string, ProbeTarget>, governed: Pick<ReadonlySet<string>, 'has'>): void {
    for (const namespace of this.#seen) if (!governed.has(namespace)) this.#seen.delete(namespace);
    for (const namespace of this.#states.keys()) {
      if (targets.has(namespace)) continue;
      this.#states.delete(namespace);
      this.#provenRegions.delete(namespace);
      this.#round.delete(namespace);
      this.#turns.delete(namespace);
    }
  }

  /** @returns undefined: nothing was asked yet. */
  state(namespace: string): ProbeState | undefined {
    return this.#states.get(namespace);
  }

  #broke(namespace: string, error: unknown): void {
    const known = this.#states.get(namespace);
    if (known !== undefined) this.#set(namespace, { ...known, state: 'failed', message: String(error) });
  }

  async #look(namespace: string, elapsedMs: () => number): Promise<'proven' | 'over' | 'again'> {
    const target = this.#targets.get(namespace);
    if (target === undefined) return 'over';
    const verdict = await this.#prove(target.governance, elapsedMs);
    // The target may have changed meanwhile: then this verdict speaks of something else.
    if (this.#targets.get(namespace)?.fingerprint !== target.fingerprint) return 'again';
    this.#record(target, verdict, elapsedMs());
    return verdict.kind === 'proven' ? 'proven' : 'again';
  }

  #record(target: ProbeTarget, verdict: ProbeVerdict, elapsedMs: number): void {
    this.#options.onVerdict(verdict.kind);
    const { fingerprint, governance } = target;
    const { namespace } = governance;
    if (verdict.kind === 'proven') {
      this.visited(namespace);
      this.#provenRegions.set(namespace, governance.actions.deny?.regions ?? []);
      this.#set(namespace, { fingerprint, state: 'proven', message: verdict.note, first: false });
      return;
    }
    const known = this.#states.get(namespace);
    const isUnproven = verdict.kind === 'unproven';
    // What was proven not to hold does not hold again because somebody else answers now.
    if (!isUnproven && known?.state === 'failed') return;
    const overdue = isUnproven ? 'failed' : 'unanswered';
    const state = elapsedMs > this.#options.patienceMs ? overdue : 'pending';
    this.#set(namespace, { fingerprint, state, message: verdict.message, first: !isUnproven && known?.first === true });
  }

  #set(namespace: string, next: ProbeState): void {
    const previous = this.#states.get(namespace);
    this.#states.set(namespace, next);
    if (previous?.state !== next.state || (next.state !== 'pending' && previous.message !== next.message)) this.#options.onChange();
  }

  #kindsOf(namespace: string): readonly ProofKind[] {
    const governance = this.#targets.get(namespace)?.governance;
    return governance === undefined ? [] : proofsOf(governance, this.#options.bindGate);
  }

  async #prove(governance: NamespaceGovernance, elapsedMs: () => number): Promise<ProbeVerdict> {
    const kinds = proofsOf(governance, this.#options.bindGate);
    const verdicts = await Promise.all(kinds.map((kind) => this.#ask(kind, governance)));
    const unproven = verdicts.find(({ kind }) => kind === 'unproven');
    if (unproven !== undefined) return unproven;
    const open = verdicts.flatMap((verdict, index) => (verdict.kind === 'proven' ? [] : [{ kind: kinds[index], verdict }]));
    const [first] = open;
    if (first === undefined) return { kind: 'proven' };
    // That lock 1 refuses what it must, in the words now in force, is what enforces; who else refuses the rest is not its doing.
    return open.length === 1 && first.kind === 'mustAdmit' && elapsedMs() > SETTLED_MS ? withNote(first.verdict) : first.verdict;
  }

  #ask(kind: ProofKind, governance: NamespaceGovernance): Promise<ProbeVerdict> {
    return this.#proofs.ask(kind, { governance, before: this.#provenRegions.get(governance.namespace) ?? [] }, this.#signal);
  }

  /** Something else has just been asked in this namespace: others come first now. */
  visited(namespace: string): void {
    if (!this.#targets.has(namespace)) return;
    this.#round.delete(namespace);
    this.#round.add(namespace);
  }

  /** Asks the namespace that waits longest for the next one of its proofs. What is not true any more is followed up. */
  async probeNext(): Promise<void> {
    const namespace = this.#round.values().next().value;
    const target = namespace === undefined ? undefined : this.#targets.get(namespace);
    if (namespace === undefined || target === undefined) return;
    this.visited(namespace);
    if (this.#chases.has(namespace) || this.#rotating.has(namespace)) return;
    const kinds = this.#kindsOf(namespace);
    const turn = this.#turns.get(namespace) ?? 0;
    const kind = kinds[turn % Math.max(1, kinds.length)];
    if (kind === undefined) return;
    this.#turns.set(namespace, turn + 1);
    this.#rotating.add(namespace);
    try {
      const verdict = await this.#ask(kind, target.governance);
      if (this.#targets.get(namespace) === target) this.#follow(namespace, kind, verdict);
    } finally {
      this.#rotating.delete(namespace);
    }
  }

  #follow(namespace: string, kind: ProofKind, verdict: ProbeVerdict): void {
    const known = this.#states.get(namespace);
    if (verdict.kind === 'unproven') this.#chases.resume(namespace);
    // The only proof that a note can be about.
    if (verdict.kind === 'proven' && kind === 'mustAdmit' && known?.state === 'proven')
      this.#set(namespace, { ...known, message: undefined });
  }
}

/** Whether nothing is new for the namespace but that the floor was written: of all namespaces at once. */
const isFloorAlone = (before: ProbeTarget | undefined, after: ProbeTarget): boolean =>
  before?.governance === after.governance && before.uid === after.uid && before.floorVersion !== after.floorVersion;

const withNote = (verdict: ProbeVerdict): ProbeVerdict =>
  verdict.kind === 'inconclusive' && verdict.foreign === true
    ? { kind: 'proven', note: `that a pod in an allowed region is admitted is not proven: ${verdict.message}` }
    : verdict;
