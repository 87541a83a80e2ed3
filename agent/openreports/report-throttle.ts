import { byText } from '@fso/shared/encoding';
import type { Action } from '../enforce/index.ts';

/**
 * Least time between two writes of one report, whatever happens in its namespace, and to the
 * report.
 */
export const REPORT_MS = 5_000;
/** The same where only the number of pods that conform changes: they come and go all the time. */
export const COUNT_MS = 300_000;

/** Writes of reports that may run now. */
export interface DueReports {
  /** Those that were written longest ago first, so that none is left behind while many change. */
  readonly actions: readonly Action[];
  /** Ms until the next of the others may run; undefined: none waits. */
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

  /** Forgets what holds no action any more. */
  #forgetOld(now: number): void {
    for (const [key, at] of this.#written) if (at + COUNT_MS <= now) this.#written.delete(key);
  }
}
