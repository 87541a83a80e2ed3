import { timeText } from '../enforce/index.ts';

/**
 * Interval between two renewals, in ms: an API server takes up a write within one or two seconds,
 * and the parameters of a large cluster have 1 MB.
 */
const EVERY_MS = 10_000;
/**
 * Time from a write of the CRD to the renewal after it, in ms. Every API server loads a changed CRD
 * within a second.
 */
const TAKEN_UP_MS = 2_000;

/**
 * Decides when the parameters of lock 1 are written again although they are as desired: while the
 * API server evaluates nothing by them, and once after each write of their CRD.
 *
 * After a change of the CRD an API server may keep objects as decoded by the old schema, without
 * fields that the old schema lacked. It resumes its watch at the last version, so only another
 * change of an object makes it decode the object again. The canary of the index does not detect
 * this if only the list of nodes is missing.
 */
export class ParametersRenewal {
  #last: Date | undefined;
  #isOpen: boolean = false;
  /** Time of the last write of the CRD; undefined if no renewal is due for it. */
  #definedAt: Date | undefined;

  /** Records a write of the CRD. */
  noteDefinition(now: Date): void {
    this.#definedAt = now;
  }

  /**
   * Decides whether a renewal is due.
   *
   * @param isOpen whether lock 1 evaluates nothing now
   * @returns time that the parameters must show, RFC 3339; undefined: any
   */
  due(isOpen: boolean, now: Date): string | undefined {
    this.#isOpen = isOpen;
    if (this.#waits(now).some((ms) => ms <= 0)) {
      this.#last = now;
      if (leftMs(this.#definedAt, TAKEN_UP_MS, now) <= 0) this.#definedAt = undefined;
    }
    return this.#last && timeText(this.#last);
  }

  /** Time in ms until the next renewal; undefined if none is due. */
  waitMs(now: Date): number | undefined {
    const waits = this.#waits(now);
    return waits.length === 0 ? undefined : Math.max(1, Math.min(...waits));
  }

  #waits(now: Date): readonly number[] {
    return [
      ...(this.#isOpen ? [leftMs(this.#last, EVERY_MS, now)] : []),
      ...(this.#definedAt === undefined ? [] : [leftMs(this.#definedAt, TAKEN_UP_MS, now)]),
    ];
  }
}

/** Time left in ms. A clock that was set back does not prolong it. */
const leftMs = (since: Date | undefined, ms: number, now: Date): number =>
  since === undefined ? 0 : Math.min(ms, since.getTime() + ms - now.getTime());
