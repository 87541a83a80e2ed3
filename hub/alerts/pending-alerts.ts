import { type Clock, createPauseMeter } from '@fso/shared/runtime';
import { z } from 'zod';
import type { KeyedStore } from '../ledger/index.ts';
import { postpone } from './plan-alerts.ts';

const KEY = { kind: 'alert-pending', name: 'all' };

/**
 * Shortest time between two writes of the record, in milliseconds. A hub that is killed loses what
 * it saw since the last one.
 */
const WRITE_MS = 30_000;
/**
 * Longest gap between two leading hubs, in milliseconds. Issues after a longer gap count as new
 * problems.
 */
const MAX_GAP_MS = 3_600_000;
/** Most problems in the record. Those that have lasted longest take precedence. */
const MAX_KEPT = 5_000;

const PendingRecord = z.object({
  /** Time at which a hub wrote the record, in milliseconds since 1970. */
  time: z.int(),
  /** Milliseconds for which hubs have seen each problem, by identity of the alert. */
  seenMs: z.record(z.string(), z.int().min(0)),
});
type PendingRecord = z.infer<typeof PendingRecord>;

/** Start of each problem in milliseconds since 1970, by identity of the alert. */
type PendingSince = ReadonlyMap<string, number>;

/**
 * Restores the problems of a record. Time in which no hub evaluated them does not count, as their
 * state was unknown.
 */
const restore = (record: unknown, nowMs: number): PendingSince => {
  const { data } = PendingRecord.safeParse(record);
  if (data === undefined || Math.abs(nowMs - data.time) > MAX_GAP_MS) return new Map();
  return new Map(Object.entries(data.seenMs).map(([identity, seenMs]) => [identity, nowMs - seenMs]));
};

const recordOf = (pending: PendingSince, nowMs: number): PendingRecord => {
  const oldest = [...pending].sort(([, one], [, other]) => one - other).slice(0, MAX_KEPT);
  return { time: nowMs, seenMs: Object.fromEntries(oldest.map(([identity, since]) => [identity, Math.max(0, Math.round(nowMs - since))])) };
};

/** Store and clock of problems that do not fire yet. */
export interface PendingAlertsDeps {
  readonly records: Pick<KeyedStore, 'get' | 'update'>;
  readonly clock: Clock;
  /** Milliseconds for which this process was paused. */
  readonly pausedMs: () => number;
}

/**
 * Problems that do not fire yet, as they have not lasted long enough. The ledger keeps for how long
 * hubs have seen each, so that the next leading hub continues to count.
 */
export class PendingAlerts {
  readonly #deps: PendingAlertsDeps;
  readonly #newPauseMs: () => number;
  /** undefined while this hub does not lead. */
  #since: PendingSince | undefined;
  #resumedAtMs = 0;
  #writtenAtMs = Number.NEGATIVE_INFINITY;

  constructor(deps: PendingAlertsDeps) {
    this.#deps = deps;
    this.#newPauseMs = createPauseMeter(deps.pausedMs);
  }

  /** Continues from the record when this hub begins to lead. */
  resume(): void {
    if (this.#since !== undefined) return;
    const { records, clock } = this.#deps;
    this.#since = restore(records.get(KEY.kind, KEY.name), clock.now().getTime());
    this.#resumedAtMs = clock.monotonicMs();
    this.#writtenAtMs = Number.NEGATIVE_INFINITY;
    this.#newPauseMs();
  }

  /** Forgets the problems, as this hub no longer leads. */
  stop(): void {
    this.#since = undefined;
  }

  /** Milliseconds for which this hub has led. */
  get ledMs(): number {
    return this.#deps.clock.monotonicMs() - this.#resumedAtMs;
  }

  has(identity: string): boolean {
    return this.#since?.has(identity) === true;
  }

  /** Lists all problems. Time in which this process was paused does not count. */
  list(): PendingSince {
    this.#since = postpone(this.#since ?? new Map(), this.#newPauseMs());
    return this.#since;
  }

  /** Replaces all problems, and writes them if a write is due. Resolves once that is durable. */
  async replace(pending: PendingSince): Promise<void> {
    const { records, clock } = this.#deps;
    this.#since = pending;
    const elapsedMs = clock.monotonicMs();
    const isNothing = pending.size === 0 && records.get(KEY.kind, KEY.name) === undefined;
    if (isNothing || elapsedMs - this.#writtenAtMs < WRITE_MS) return;
    this.#writtenAtMs = elapsedMs;
    const record = pending.size === 0 ? undefined : recordOf(pending, clock.now().getTime());
    await records.update(KEY.kind, KEY.name, () => record);
  }
}
