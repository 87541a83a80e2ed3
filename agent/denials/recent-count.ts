const SLOT_MS = 300_000;
/** Number of slots in an hour. */
const SLOTS = 12;
/** Number of slots that count as recent: the last five to ten minutes. */
const RECENT_SLOTS = 2;

/** Time that a {@link RecentCount} covers, in ms. */
export const HOUR_MS: number = SLOTS * SLOT_MS;

/** Count of the last hour, in slots of five minutes. */
export class RecentCount {
  /** Counts by the number of their slot, oldest first. */
  readonly #slots = new Map<number, number>();

  /**
   * Adds to the count.
   *
   * @param atMs monotonic
   * @param count negative to correct earlier additions
   */
  add(count: number, atMs: number): void {
    const slot = Math.floor(atMs / SLOT_MS);
    this.#slots.set(slot, (this.#slots.get(slot) ?? 0) + count);
    for (const each of this.#slots.keys()) if (each <= slot - SLOTS) this.#slots.delete(each);
  }

  /** @param least lower bound of each slot */
  lastHour(nowMs: number, least?: number): number {
    return Math.max(0, this.#sum(nowMs, SLOTS, least));
  }

  /** @param least lower bound of each slot */
  lastTenMinutes(nowMs: number, least?: number): number {
    return Math.max(0, this.#sum(nowMs, RECENT_SLOTS, least));
  }

  /**
   * Amount by which the count of the last hour is below zero, also without its oldest slot, which
   * may correct additions from before the hour. 0 if it is not below.
   */
  missing(nowMs: number): number {
    return Math.max(0, -Math.max(this.#sum(nowMs, SLOTS), this.#sum(nowMs, SLOTS - 1)));
  }

  #sum(nowMs: number, slots: number, least = Number.NEGATIVE_INFINITY): number {
    const now = Math.floor(nowMs / SLOT_MS);
    let sum = 0;
    for (const [slot, count] of this.#slots) if (slot > now - slots) sum += Math.max(least, count);
    return sum;
  }
}

/** Minutes that a count covers since its start, in steps of a slot. */
export const coveredMinutes = (beganMs: number, nowMs: number): number =>
  Math.min(HOUR_MS, SLOT_MS * Math.ceil((nowMs - beganMs) / SLOT_MS)) / 60_000;
