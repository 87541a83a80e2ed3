import { byText } from '@fso/shared/encoding';
import type { Action } from '../enforce/index.ts';

/** Least time between two writes of one report, whatever happens in its namespace, and to the report. */
export const REPORT_MS = 5_000;
/** The same where only the number of pods that conform changes: they come and go all the time. */
export const COUNT_MS = 300_000;
/** Wait after a write that failed. */
export const FAILED_MS = 30_000;

export interface DueReports {
  /** Those that were written longest ago first, so that none is left behind while many change. */
  readonly actions: readonly Action[];
  /** Ms until the next of the others may run; undefined: none waits. */
  readonly waitMs: number | undefined;
}

/** Paces the writes of each report. Times are in ms of the monotonic clock. */
export class ReportThrottle {
  readonly #written = new Map<string, number>();
  readonly #failed = new Map<string, number>();

  due(actions: readonly Action[], now: number): DueReports {
    this.#retain(new Set(actions.map(({ key }) => key)), now);
    const timed = actions.map((action) => ({ action, at: this.#dueAt(action) }));
    const due = timed.filter(({ at }) => at <= now).map(({ action }) => action);
    const waits = timed.filter(({ at }) => at > now).map(({ at }) => at - now);
    return { actions: due.sort((a, b) => this.#compare(a, b)), waitMs: waits.length === 0 ? undefined : Math.min(...waits) };
  }

  noteWrite(key: string, now: number): void {
    this.#written.set(key, now);
    this.#failed.delete(key);
  }

  noteFailure(key: string, now: number): void {
    this.#failed.set(key, now);
  }

  #dueAt({ key, reason }: Action): number {
    const written = this.#written.get(key);
    const paced = written === undefined ? 0 : written + (reason === 'Count' ? COUNT_MS : REPORT_MS);
    const failed = this.#failed.get(key);
    return Math.max(paced, failed === undefined ? 0 : failed + FAILED_MS);
  }

  #compare(a: Action, b: Action): number {
    return (this.#written.get(a.key) ?? 0) - (this.#written.get(b.key) ?? 0) || byText(a.key, b.key);
  }

  /** Forgets what holds no action any more. */
  #retain(keys: ReadonlySet<string>, now: number): void {
    for (const [key, at] of this.#written) if (at + COUNT_MS <= now) this.#written.delete(key);
    for (const key of this.#failed.keys()) if (!keys.has(key)) this.#failed.delete(key);
  }
}
