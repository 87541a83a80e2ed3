import type { Clock } from '@fso/shared/runtime';
import type { ProbeVerdict } from './probe.ts';

/** Proof of one namespace, or one guard. */
export interface ProofState {
  readonly fingerprint: string;
  /**
   * failed: open for longer than the patience. unanswered: for as long, another rule answered or
   * none, so that the state is unknown.
   */
  readonly state: 'pending' | 'proven' | 'failed' | 'unanswered';
  /** Problem; in a proven namespace, a note on a probe without an answer. */
  readonly message: string | undefined;
}

/** Proof of lock 1 in a namespace. */
export interface ProbeState extends ProofState {
  /**
   * Whether the proof is pending and no probe was answered since the agent started. Ends after a
   * minute.
   */
  readonly first: boolean;
  /**
   * Whether the proof is pending and the namespace was proven until its governance changed under an
   * unchanged floor. An unchanged policy is enforced both before and after such a change. Ends
   * after the patience.
   */
  readonly held: boolean;
}

/**
 * Time for which a state from before a restart counts without a response, in ms. Proving thousands
 * of namespaces takes part of it.
 */
const FIRST_MS = 60_000;

type Names = Pick<ReadonlySet<string>, 'has'>;

interface ProbeStatesOptions {
  readonly clock: Clock;
  /** Time without a proof, in ms, after which a namespace counts as failed or unanswered. */
  readonly patienceMs: number;
  readonly signal: AbortSignal;
  readonly onChange: () => void;
}

/** Keeps the proof of lock 1 for each namespace. */
export class ProbeStates {
  readonly #options: ProbeStatesOptions;
  readonly #states = new Map<string, ProbeState>();
  /** Governed namespaces for which a proof was ever expected. */
  readonly #seen = new Set<string>();
  /** Time at which a state stops being first or held, monotonic ms. */
  readonly #ends = new Map<string, number>();
  #isWatching: boolean = false;

  constructor(options: ProbeStatesOptions) {
    this.#options = options;
  }

  get(namespace: string): ProbeState | undefined {
    return this.#states.get(namespace);
  }

  /** Number of pending namespaces. */
  get pendingCount(): number {
    let count = 0;
    for (const { state } of this.#states.values()) if (state === 'pending') count += 1;
    return count;
  }

  /**
   * Starts a new proof.
   *
   * @param isHeld whether the earlier proof may count for a while
   */
  expect(namespace: string, fingerprint: string, isHeld: boolean): void {
    const known = this.#states.get(namespace);
    const first = !this.#seen.has(namespace);
    this.#seen.add(namespace);
    const held = isHeld && (known?.state === 'proven' || known?.held === true);
    if (!first && !held) this.#ends.delete(namespace);
    else if (known?.held !== true) this.#endAfter(namespace, first ? FIRST_MS : this.#options.patienceMs);
    this.#states.set(namespace, { fingerprint, state: 'pending', message: undefined, first, held });
  }

  prove(namespace: string, fingerprint: string, note: string | undefined): void {
    this.#ends.delete(namespace);
    this.#set(namespace, { fingerprint, state: 'proven', message: note, first: false, held: false });
  }

  /** Sets or removes the note on a proven namespace. */
  note(namespace: string, message: string | undefined): void {
    const known = this.#states.get(namespace);
    if (known?.state === 'proven') this.#set(namespace, { ...known, message });
  }

  miss(namespace: string, fingerprint: string, verdict: Exclude<ProbeVerdict, { kind: 'proven' }>, elapsedMs: number): void {
    const known = this.#states.get(namespace);
    const isUnproven = verdict.kind === 'unproven';
    // An open lock does not count as closed because another rule answers now.
    if (!isUnproven && known?.state === 'failed') return;
    const overdue = isUnproven ? 'failed' : 'unanswered';
    const state = elapsedMs > this.#options.patienceMs ? overdue : 'pending';
    const isPending = state === 'pending';
    const first = isPending && !isUnproven && known?.first === true;
    this.#set(namespace, { fingerprint, state, message: verdict.message, first, held: isPending && known?.held === true });
  }

  fail(namespace: string, error: unknown): void {
    const known = this.#states.get(namespace);
    if (known !== undefined) this.#set(namespace, { ...known, state: 'failed', message: String(error), first: false, held: false });
  }

  /**
   * Drops all other namespaces.
   *
   * @param governed all governed namespaces, including those without a target now
   * @returns the dropped namespaces
   */
  retain(expected: Names, governed: Names): readonly string[] {
    for (const namespace of this.#seen) if (!governed.has(namespace)) this.#seen.delete(namespace);
    const gone = [...this.#states.keys()].filter((namespace) => !expected.has(namespace));
    for (const namespace of gone) {
      this.#states.delete(namespace);
      this.#ends.delete(namespace);
    }
    return gone;
  }

  #endAfter(namespace: string, ms: number): void {
    this.#ends.set(namespace, this.#options.clock.monotonicMs() + ms);
    if (this.#isWatching) return;
    this.#isWatching = true;
    // The wait rejects only if the agent stops.
    this.#watchEnds().catch(() => undefined);
  }

  /** Ends `first` and `held` by time if no response does: a probe may wait for others for long. */
  async #watchEnds(): Promise<void> {
    const { clock, signal, patienceMs } = this.#options;
    while (this.#ends.size > 0) {
      const now = clock.monotonicMs();
      const leftMs = [...this.#ends.values()].reduce((least, end) => Math.min(least, end - now), patienceMs);
      await clock.sleep(Math.max(1, leftMs), signal);
      for (const [namespace, end] of this.#ends) if (end <= clock.monotonicMs()) this.#end(namespace);
    }
    this.#isWatching = false;
  }

  #end(namespace: string): void {
    this.#ends.delete(namespace);
    const known = this.#states.get(namespace);
    if (known?.first === true || known?.held === true) this.#set(namespace, { ...known, first: false, held: false });
  }

  #set(namespace: string, next: ProbeState): void {
    const previous = this.#states.get(namespace);
    this.#states.set(namespace, next);
    const isNew = previous?.state !== next.state || previous.first !== next.first || previous.held !== next.held;
    if (isNew || (next.state !== 'pending' && previous.message !== next.message)) this.#options.onChange();
  }
}
