import { truncate } from '@fso/shared/text';
import { z } from 'zod';
import type { KeyedStore } from '../../ledger/index.ts';
import type { Outcome } from '../receivers/receiver.ts';

const RECEIVER_KIND = 'alert-receiver';
/** Name of the one record of all receivers. */
const NAME = 'all';
/**
 * Shortest time between two writes of the same outcome, in milliseconds, so that not every attempt
 * is written to the ledger.
 */
const WRITE_EVERY_MS = 60_000;
const MAX_REASON = 512;

const Status = z.object({
  /** Milliseconds since 1970. */
  lastSuccess: z.int().nullable(),
  lastFailure: z.object({ time: z.int(), reason: z.string(), permanent: z.boolean() }).nullable(),
});
/** Last success and failure of a receiver, as stored. */
export type ReceiverStatus = z.infer<typeof Status>;

const Statuses = z.record(z.string(), Status).catch({});
const UNKNOWN: ReceiverStatus = { lastSuccess: null, lastFailure: null };

const mustWrite = ({ lastSuccess, lastFailure }: ReceiverStatus, outcome: Outcome, nowMs: number): boolean => {
  if (outcome.kind !== 'delivered') {
    const isSame =
      lastFailure?.reason === truncate(outcome.reason, MAX_REASON) && lastFailure.time > (lastSuccess ?? Number.NEGATIVE_INFINITY);
    return !isSame || Math.abs(nowMs - lastFailure.time) >= WRITE_EVERY_MS;
  }
  return lastSuccess === null || nowMs - lastSuccess >= WRITE_EVERY_MS || (lastFailure?.time ?? 0) >= lastSuccess;
};

const after = (before: ReceiverStatus, outcome: Outcome, nowMs: number): ReceiverStatus => {
  if (outcome.kind === 'delivered') return { ...before, lastSuccess: nowMs };
  const reason = truncate(outcome.reason, MAX_REASON);
  return { ...before, lastFailure: { time: nowMs, reason, permanent: outcome.kind === 'refused' } };
};

/**
 * Outcomes of the last notifications of each receiver, in the ledger, so that every hub can show
 * them.
 */
export class ReceiverStatuses {
  readonly #records: KeyedStore;

  constructor(records: KeyedStore) {
    this.#records = records;
  }

  get(receiver: string): ReceiverStatus {
    return Statuses.parse(this.#records.get(RECEIVER_KIND, NAME) ?? {})[receiver] ?? UNKNOWN;
  }

  /** Records an outcome. @param known receivers of the alerts file; others are forgotten */
  async note(receiver: string, outcome: Outcome, known: readonly string[], nowMs: number): Promise<void> {
    if (!mustWrite(this.get(receiver), outcome, nowMs)) return;
    await this.#records.update(RECEIVER_KIND, NAME, (before) => {
      const all = Object.entries(Statuses.parse(before ?? {})).filter(([name]) => known.includes(name));
      const own = all.find(([name]) => name === receiver)?.[1] ?? UNKNOWN;
      return { ...Object.fromEntries(all), [receiver]: after(own, outcome, nowMs) };
    });
  }
}
