import type { Clock } from '@fso/shared/runtime';
import type { ProbeVerdict } from './probe.ts';

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
  /**
   * Pending, and proven until its governance changed, by the floor that is there still: a policy that did not change itself
   * is enforced by what was before and by what comes. Over after the patience.
   */
  readonly held: boolean;
}

type Names = Pick<ReadonlySet<string>, 'has'>;

interface ProbeStatesOptions {
  readonly clock: Clock;
  /** Unproven for longer than this counts as failed, or as unanswered. */
  readonly patienceMs: number;
  readonly onChange: () => void;
}

/** What is known of lock 1, by namespace. */
export class ProbeStates {
  readonly #options: ProbeStatesOptions;
  readonly #states = new Map<string, ProbeState>();
  /** Governed namespaces of which something was expected. */
  readonly #seen = new Set<string>();
  /** Since when a state is held, monotonic. */
  readonly #heldSince = new Map<string, number>();

  constructor(options: ProbeStatesOptions) {
    this.#options = options;
  }

  get(namespace: string): ProbeState | undefined {
    return this.#states.get(namespace);
  }

  /** Whether anything that is expected may still turn out either way. */
  get isSettled(): boolean {
    for (const { state } of this.#states.values()) if (state === 'pending') return false;
    return true;
  }

  /** Something new is to be proven. @param isHeld whether what was proven until now may count for a while */
  expect(namespace: string, fingerprint: string, isHeld: boolean): void {
    if (!isHeld) this.#heldSince.delete(namespace);
    else if (this.#states.get(namespace)?.state === 'proven') this.#heldSince.set(namespace, this.#options.clock.monotonicMs());
    const first = !this.#seen.has(namespace);
    this.#seen.add(namespace);
    this.#states.set(namespace, { fingerprint, state: 'pending', message: undefined, first, held: this.#isHeld(namespace) });
  }

  prove(namespace: string, fingerprint: string, note: string | undefined): void {
    this.#heldSince.delete(namespace);
    this.#set(namespace, { fingerprint, state: 'proven', message: note, first: false, held: false });
  }

  /** One that is proven: what could not be asked, if anything. */
  note(namespace: string, message: string | undefined): void {
    const known = this.#states.get(namespace);
    if (known?.state === 'proven') this.#set(namespace, { ...known, message });
  }

  miss(namespace: string, fingerprint: string, verdict: Exclude<ProbeVerdict, { kind: 'proven' }>, elapsedMs: number): void {
    const known = this.#states.get(namespace);
    const isUnproven = verdict.kind === 'unproven';
    // What was proven not to hold does not hold again because somebody else answers now.
    if (!isUnproven && known?.state === 'failed') return;
    const overdue = isUnproven ? 'failed' : 'unanswered';
    const state = elapsedMs > this.#options.patienceMs ? overdue : 'pending';
    const first = !isUnproven && known?.first === true;
    this.#set(namespace, { fingerprint, state, message: verdict.message, first, held: state === 'pending' && this.#isHeld(namespace) });
  }

  broke(namespace: string, error: unknown): void {
    const known = this.#states.get(namespace);
    if (known !== undefined) this.#set(namespace, { ...known, state: 'failed', message: String(error), held: false });
  }

  /**
   * Forgets all but these.
   *
   * @param governed namespaces that are governed at all, also where nothing can be proven now
   * @returns whom it forgot
   */
  keepOnly(expected: Names, governed: Names): readonly string[] {
    for (const namespace of this.#seen) if (!governed.has(namespace)) this.#seen.delete(namespace);
    const gone = [...this.#states.keys()].filter((namespace) => !expected.has(namespace));
    for (const namespace of gone) {
      this.#states.delete(namespace);
      this.#heldSince.delete(namespace);
    }
    return gone;
  }

  #isHeld(namespace: string): boolean {
    const since = this.#heldSince.get(namespace);
    return since !== undefined && this.#options.clock.monotonicMs() - since <= this.#options.patienceMs;
  }

  #set(namespace: string, next: ProbeState): void {
    const previous = this.#states.get(namespace);
    this.#states.set(namespace, next);
    const isNew = previous?.state !== next.state || previous.held !== next.held;
    if (isNew || (next.state !== 'pending' && previous.message !== next.message)) this.#options.onChange();
  }
}
