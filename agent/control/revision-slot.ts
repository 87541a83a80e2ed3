import type { RevisionState } from '../status/index.ts';

type AcceptedCommit = NonNullable<RevisionState['accepted']>;

/** What the intake and the rounds tell each other about the commits of the hub. */
export class RevisionSlot implements RevisionState {
  #accepted: AcceptedCommit | undefined;
  #isChanging: () => boolean = () => false;
  readonly #onAccepted: () => void;

  /** @param onAccepted called whenever another commit is accepted */
  constructor(onAccepted: () => void) {
    this.#onAccepted = onAccepted;
  }

  /** The commit accepted last. */
  get accepted(): AcceptedCommit | undefined {
    return this.#accepted;
  }

  /** Whether another commit is being written over the accepted one, without failures. */
  get isChanging(): boolean {
    return this.#isChanging();
  }

  accept(accepted: AcceptedCommit): void {
    this.#accepted = accepted;
    this.#onAccepted();
  }

  follow(isChanging: () => boolean): void {
    this.#isChanging = isChanging;
  }
}
