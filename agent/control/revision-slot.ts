import { SOVEREIGN_POLICY_KIND } from '@fso/shared/kube';
import type { Clock } from '@fso/shared/runtime';
import { ALERT_AFTER, type DesiredPolicies, isAlert, type WriteFailure } from '../enforce/index.ts';
import type { HubCommit } from '../plan/index.ts';
import type { RevisionState } from '../status/index.ts';

type AcceptedCommit = NonNullable<RevisionState['accepted']>;

/** Commit to be written into the cluster. */
export interface TargetCommit {
  readonly revision: string;
  readonly desired: DesiredPolicies;
}

/** Handlers through which reconciles follow the commits of the intake. */
export interface RevisionHandlers {
  /** Called whenever there is a new commit to write. */
  readonly onTarget: () => void;
  /** Called whenever a commit is accepted. */
  readonly onAccepted: () => void;
}

/**
 * Longest time for which the status of the accepted commit is kept while another one is written, in
 * milliseconds.
 */
const CHANGING_MS = 300_000;
const KEY_OF_POLICY = `${SOVEREIGN_POLICY_KIND.kind}/`;

/**
 * Commits of the hub, exchanged between the intake, which judges and persists them, and the
 * reconciles, which write them.
 */
export class RevisionSlot implements RevisionState {
  readonly #clock: Pick<Clock, 'monotonicMs'>;
  readonly #handlers: RevisionHandlers;
  #onWritten: (target: TargetCommit) => void = () => undefined;
  #target: TargetCommit | undefined;
  /** Last target that was written and persisted. */
  #persisted: TargetCommit | undefined;
  #accepted: AcceptedCommit | undefined;
  #isFailing: boolean = false;
  /** Monotonic time at which the target was set, in milliseconds. */
  #targetSince = 0;
  #persistFailures = 0;
  /** Number of writes for the target, by key. Repeated writes show that others undo them. */
  readonly #writes = new Map<string, number>();

  constructor(clock: Pick<Clock, 'monotonicMs'>, handlers: RevisionHandlers) {
    this.#clock = clock;
    this.#handlers = handlers;
  }

  /** Commit accepted last. */
  get accepted(): AcceptedCommit | undefined {
    return this.#accepted;
  }

  /** Revision being written, or written last. */
  get revision(): string | undefined {
    return this.#target?.revision;
  }

  /** Commit for the plan of a reconcile. */
  get commit(): HubCommit | undefined {
    return this.#target && { desired: this.#target.desired, isPersisted: this.#target === this.#persisted };
  }

  /**
   * Whether another commit is being written over the accepted one. False while it cannot be written
   * or persisted, while others keep undoing its writes, or once it takes too long.
   */
  get isChanging(): boolean {
    if (this.#target === this.#persisted || this.#clock.monotonicMs() - this.#targetSince > CHANGING_MS) return false;
    const isUndone = [...this.#writes.values()].some((times) => times >= ALERT_AFTER);
    return !(this.#isFailing || isUndone || this.#persistFailures >= ALERT_AFTER);
  }

  /**
   * Registers the handler for targets that are written.
   *
   * @param handler called after each reconcile that finds an unpersisted target written
   */
  onWritten(handler: (target: TargetCommit) => void): void {
    this.#onWritten = handler;
  }

  /** Sets the commit to write. Unstarted writes of the previous one are dropped. */
  setTarget(target: TargetCommit): void {
    this.#target = target;
    this.#targetSince = this.#clock.monotonicMs();
    this.#writes.clear();
    this.#isFailing = false;
    this.#persistFailures = 0;
    this.#handlers.onTarget();
  }

  /** Records that a written target is persisted. */
  accept(target: TargetCommit, accepted: AcceptedCommit): void {
    this.#persisted = target;
    this.#accepted = accepted;
    this.#writes.clear();
    this.#persistFailures = 0;
    this.#handlers.onAccepted();
  }

  /** Resumes the commit that was accepted before a restart. Only drift since then is written. */
  resume(accepted: AcceptedCommit, target: TargetCommit | undefined): void {
    this.#target = target;
    this.#persisted = target;
    this.#accepted = accepted;
    this.#handlers.onAccepted();
    this.#handlers.onTarget();
  }

  /** Records a write of any object. */
  noteWrite(key: string): void {
    if (key.startsWith(KEY_OF_POLICY)) this.#writes.set(key, (this.#writes.get(key) ?? 0) + 1);
  }

  /** Records the writes that currently fail. */
  noteFailures(failures: readonly WriteFailure[]): void {
    this.#isFailing = failures.some((failure) => failure.key.startsWith(KEY_OF_POLICY) && isAlert(failure));
  }

  /** Records the number of consecutive failures to persist a written target. */
  notePersistFailures(count: number): void {
    this.#persistFailures = count;
  }

  /** Records that a reconcile found nothing of the target left to write. */
  noteWritten(): void {
    if (this.#target !== undefined && this.#target !== this.#persisted) this.#onWritten(this.#target);
  }
}
