import type { Journal } from '../ledger/index.ts';
import { asStored, meantRun, parseRun, type RolloutRun, RUN_KEY } from './waves/index.ts';

const { kind, name } = RUN_KEY;

/** The run as the ledger has it. */
export class RunStore {
  readonly #records: Journal['records'];

  constructor(records: Journal['records']) {
    this.#records = records;
  }

  /** undefined: there is none, or {@link isUnreadable}. */
  get run(): RolloutRun | undefined {
    return parseRun(this.#value);
  }

  /** Whether there is a run, in whatever version. */
  get exists(): boolean {
    return this.#value !== undefined;
  }

  /** Whether there is a run that this version cannot read: nothing is released beside it. */
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
   * Changes the run as a person wants it.
   *
   * @param revision commit whose run is meant; undefined: whichever
   * @throws RolloutChangeRefused
   */
  async change(revision: string | undefined, change: (run: RolloutRun) => RolloutRun): Promise<void> {
    await this.#records.update(kind, name, (value) => {
      const run = meantRun(value, revision);
      const next = change(run);
      return next === run ? value : asStored(next, run.sequence + 1);
    });
  }

  /**
   * Stores the plan that was made from a run.
   *
   * @returns whether it is stored: another hub, or a person, may have changed the run meanwhile
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
