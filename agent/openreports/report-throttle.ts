import { byText } from '@fso/shared/encoding';
import type { Action } from '../enforce/index.ts';

/** Shortest time between two writes of one report, in ms. */
export const REPORT_MS = 5_000;
/**
 * Shortest time if only the number of conforming pods changes, in ms, which happens all the time.
 */
export const COUNT_MS = 300_000;

/** Writes of reports that may run now. */
export interface DueReports {
  /** Actions that are due, least recently written report first, so that none is left behind. */
  readonly actions: readonly Action[];
  /** Time in ms until the next held action may run; undefined if none waits. */
  readonly waitMs: number | undefined;
}

/** Paces the writes of each report. Times are in ms of the monotonic clock. */
export class ReportThrottle {
  readonly #written = new Map<string, number>();

  due(actions: readonly Action[], now: number): DueReports {
    this.#forgetOld(now);
    const timed = actions.map((action) => ({ action, at: this.#dueAt(action) }));
    const due = timed.filter(({ at }) => at <= now).map(({ action }) => action);
    const waits = timed.filter(({ at }) => at > now).map(({ at }) => at - now);
    return { actions: due.sort((a, b) => this.#compare(a, b)), waitMs: waits.length === 0 ? undefined : Math.min(...waits) };
  }

  noteWrite(key: string, now: number): void {
    this.#written.set(key, now);
  }

  #dueAt({ key, reason }: Action): number {
    const written = this.#written.get(key);
    return written === undefined ? 0 : written + (reason === 'Count' ? COUNT_MS : REPORT_MS);
  }

  #compare(a: Action, b: Action): number {
    return (this.#written.get(a.key) ?? 0) - (this.#written.get(b.key) ?? 0) || byText(a.key, b.key);
  }

  /** Drops times that no longer hold an action back. */
  #forgetOld(now: number): void {
    for (const [key, at] of this.#written) if (at + COUNT_MS <= now) this.#written.delete(key);
  }
}
