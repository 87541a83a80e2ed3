const SLOT_MS = 300_000;
/** Slots of an hour. */
const SLOTS = 12;
/** Slots that count as recent: the last five to ten minutes. */
const RECENT_SLOTS = 2;

export const HOUR_MS: number = SLOTS * SLOT_MS;

/** Count of the last hour, in slots of five minutes: at most twelve numbers. */
export class RecentCount {
  /** Counts by the number of their slot, oldest first. */
  readonly #slots = new Map<number, number>();

  /** @param atMs monotonic @param count may be negative, to correct what was added before */
  add(count: number, atMs: number): void {
    const slot = Math.floor(atMs / SLOT_MS);
    this.#slots.set(slot, (this.#slots.get(slot) ?? 0) + count);
    for (const each of this.#slots.keys()) if (each <= slot - SLOTS) this.#slots.delete(each);
  }

  lastHour(nowMs: number): number {
    return this.#sum(nowMs, SLOTS);
  }

  lastTenMinutes(nowMs: number): number {
    return this.#sum(nowMs, RECENT_SLOTS);
  }

  #sum(nowMs: number, slots: number): number {
    const now = Math.floor(nowMs / SLOT_MS);
    let sum = 0;
    for (const [slot, count] of this.#slots) if (slot > now - slots) sum += count;
    return Math.max(0, sum);
  }
}

/** Minutes that a count covers which began at a time, in steps of a slot. */
export const coveredMinutes = (beganMs: number, nowMs: number): number =>
  Math.min(HOUR_MS, SLOT_MS * Math.ceil((nowMs - beganMs) / SLOT_MS)) / 60_000;
