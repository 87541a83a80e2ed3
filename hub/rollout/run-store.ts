import type { Journal } from '../ledger/index.ts';
import { asStored, meantRun, parseRun, type RolloutRun, RUN_KEY } from './waves/index.ts';

const { kind, name } = RUN_KEY;

/** Stores the run of the current rollout in the ledger. */
export class RunStore {
  readonly #records: Journal['records'];

  constructor(records: Journal['records']) {
    this.#records = records;
  }

  /** The stored run; undefined if there is none, or if it {@link isUnreadable}. */
  get run(): RolloutRun | undefined {
    return parseRun(this.#value);
  }

  /** Whether any version of the hub has stored a run. */
  get exists(): boolean {
    return this.#value !== undefined;
  }

  /** Whether the stored run cannot be read by this version. Nothing is released while it exists. */
  get isUnreadable(): boolean {
    return this.exists && this.run === undefined;
  }

  get #value(): unknown {
    return this.#records.get(kind, name);
  }

  subscribe(handler: () => void): void {
    this.#records.subscribe(kind, handler);
  }

  /**
   * Changes the run at the request of a person.
   *
   * @param revision commit that the run must be of; undefined for any
   * @throws RolloutChangeRefused if there is no such run, or the change is refused
   */
  async change(revision: string | undefined, change: (run: RolloutRun) => RolloutRun): Promise<void> {
    await this.#records.update(kind, name, (value) => {
      const run = meantRun(value, revision);
      const next = change(run);
      return next === run ? value : asStored(next, run.sequence + 1);
    });
  }

  /**
   * Stores a planned run, unless the run that it was planned from has changed.
   *
   * @returns false if another hub or a person has changed the run meanwhile
   */
  async replace(before: RolloutRun | undefined, planned: RolloutRun | undefined): Promise<boolean> {
    const next = planned && asStored(planned, (before?.sequence ?? 0) + 1);
    let isStored = false;
    await this.#records.update(kind, name, (value) => {
      isStored = parseRun(value)?.sequence === before?.sequence;
      return isStored ? next : value;
    });
    return isStored;
  }
}
