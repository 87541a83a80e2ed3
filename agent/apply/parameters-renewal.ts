import { timeText } from '../enforce/index.ts';

/** Between two renewals, ms: an API server takes up a write within a second or two, and the parameters of a large cluster are 1 MB. */
const EVERY_MS = 10_000;

/**
 * Decides when the parameters of lock 1 are written again although they read as they should: while the API server judges nothing by them.
 *
 * After a change of their CRD it can go on with what it read by the schema from before, without the fields that this one lacked: it
 * resumes its watch at the last version, so that only another change of an object makes it read that again.
 */
export class ParametersRenewal {
  #last: Date | undefined;
  #isOpen: boolean = false;

  /** @param isOpen whether lock 1 judges nothing now @returns the time that the parameters must show, RFC 3339; undefined: any */
  due(isOpen: boolean, now: Date): string | undefined {
    this.#isOpen = isOpen;
    if (isOpen && this.#leftMs(now) <= 0) this.#last = now;
    return this.#last && timeText(this.#last);
  }

  /** Ms until the next renewal; undefined: none is to come. */
  waitMs(now: Date): number | undefined {
    return this.#isOpen ? Math.max(1, this.#leftMs(now)) : undefined;
  }

  #leftMs(now: Date): number {
    // A clock that was set back prolongs nothing.
    return this.#last === undefined ? 0 : Math.min(EVERY_MS, this.#last.getTime() + EVERY_MS - now.getTime());
  }
}
