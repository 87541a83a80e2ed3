import { SOVEREIGN_POLICY_KIND } from '@fso/shared/kube';
import type { Clock } from '@fso/shared/runtime';
import { ALERT_AFTER, type DesiredPolicies, isAlert, type WriteFailure } from '../enforce/index.ts';
import type { HubCommit } from '../plan/index.ts';
import type { RevisionState } from '../status/index.ts';

type AcceptedCommit = NonNullable<RevisionState['accepted']>;

/** A commit on its way into the cluster. */
export interface TargetCommit {
  readonly revision: string;
  readonly desired: DesiredPolicies;
}

/** Handlers by which rounds follow the commits of the intake. */
export interface RevisionHandlers {
  /** Called whenever there is another commit to write. */
  readonly onTarget: () => void;
  /** Called whenever another commit is accepted. */
  readonly onAccepted: () => void;
}

/**
 * Longest time for which the judgement of the accepted commit stands while another one is written,
 * in milliseconds.
 */
const CHANGING_MS = 300_000;
const KEY_OF_POLICY = `${SOVEREIGN_POLICY_KIND.kind}/`;

/**
 * The commits of the hub, between the intake, which judges and persists them, and the rounds, which
 * write them.
 */
export class RevisionSlot implements RevisionState {
  readonly #clock: Pick<Clock, 'monotonicMs'>;
  readonly #handlers: RevisionHandlers;
  #onWritten: (target: TargetCommit) => void = () => undefined;
  #target: TargetCommit | undefined;
  /** The target that was written and persisted last. */
  #persisted: TargetCommit | undefined;
  #accepted: AcceptedCommit | undefined;
  #isFailing: boolean = false;
  /** Monotonic time at which the target was set, in milliseconds. */
  #targetSince = 0;
  #persistFailures = 0;
  /** Writes of the target, by key: what is written again and again is undone by others. */
  readonly #writes = new Map<string, number>();

  constructor(clock: Pick<Clock, 'monotonicMs'>, handlers: RevisionHandlers) {
    this.#clock = clock;
    this.#handlers = handlers;
  }

  /** The commit accepted last. */
  get accepted(): AcceptedCommit | undefined {
    return this.#accepted;
  }

  /** Revision that is written, or was written last. */
  get revision(): string | undefined {
    return this.#target?.revision;
  }

  /** The commit as a round plans it. */
  get commit(): HubCommit | undefined {
    return this.#target && { desired: this.#target.desired, isPersisted: this.#target === this.#persisted };
  }

  /**
   * Whether another commit is written over the accepted one: not while it cannot be written or
   * persisted, while others keep undoing its writes, or once that takes too long.
   */
  get isChanging(): boolean {
    if (this.#target === this.#persisted || this.#clock.monotonicMs() - this.#targetSince > CHANGING_MS) return false;
    const isUndone = [...this.#writes.values()].some((times) => times >= ALERT_AFTER);
    return !(this.#isFailing || isUndone || this.#persistFailures >= ALERT_AFTER);
  }

  /**
   * @param handler called after each round that finds a target written which is not persisted yet
   */
  onWritten(handler: (target: TargetCommit) => void): void {
    this.#onWritten = handler;
  }

  /** Replaces the commit to write: writes of the one before that have not started are dropped. */
  setTarget(target: TargetCommit): void {
    this.#target = target;
    this.#targetSince = this.#clock.monotonicMs();
    this.#writes.clear();
    this.#isFailing = false;
    this.#persistFailures = 0;
    this.#handlers.onTarget();
  }

  /** Takes note that a written target is persisted. */
  accept(target: TargetCommit, accepted: AcceptedCommit): void {
    this.#persisted = target;
    this.#accepted = accepted;
    this.#writes.clear();
    this.#persistFailures = 0;
    this.#handlers.onAccepted();
  }

  /**
   * Resumes the commit that was accepted before a restart: only what others changed since is
   * written.
   */
  resume(accepted: AcceptedCommit, target: TargetCommit | undefined): void {
    this.#target = target;
    this.#persisted = target;
    this.#accepted = accepted;
    this.#handlers.onAccepted();
    this.#handlers.onTarget();
  }

  /** Takes note of a write of any object. */
  noteWrite(key: string): void {
    if (key.startsWith(KEY_OF_POLICY)) this.#writes.set(key, (this.#writes.get(key) ?? 0) + 1);
  }

  /** Takes note of the writes that fail now. */
  noteFailures(failures: readonly WriteFailure[]): void {
    this.#isFailing = failures.some((failure) => failure.key.startsWith(KEY_OF_POLICY) && isAlert(failure));
  }

  /** Takes note that a written target could not be persisted, a number of times in a row. */
  notePersistFailures(count: number): void {
    this.#persistFailures = count;
  }

  /** Takes note of a round that found nothing of the target left to write. */
  noteWritten(): void {
    if (this.#target !== undefined && this.#target !== this.#persisted) this.#onWritten(this.#target);
  }
}
