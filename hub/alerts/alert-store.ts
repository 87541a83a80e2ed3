import type { KeyedStore } from '../ledger/index.ts';
import { StoredAlert } from './alert.ts';
import { bucketOf, createListReader } from './stored-list.ts';

const ALERT_KIND = 'alert';

/** Time for which an alert is kept after its end, in milliseconds. */
const RESOLVED_MS = 86_400_000;
/** Most resolved alerts in one record. Bounds problems that come and go with ever new labels. */
const MAX_RESOLVED = 32;
/**
 * Most resolved alerts in one record whose end is still to be notified, as while a receiver is
 * unavailable: a million in all records.
 */
const MAX_UNSETTLED = 256;

const alertsIn = createListReader(StoredAlert);

const isRecent = ({ endsAt }: StoredAlert, nowMs: number): boolean => endsAt === null || endsAt > nowMs - RESOLVED_MS;

const lastEnded = (alerts: readonly StoredAlert[], max: number): StoredAlert[] =>
  alerts.toSorted((a, b) => (b.endsAt ?? 0) - (a.endsAt ?? 0)).slice(0, max);

/**
 * Selects the alerts to keep: those that fire, those whose end is still to be notified, and the
 * last of the others.
 */
const keep = (alerts: readonly StoredAlert[], nowMs: number, unsettled: ReadonlySet<string>): StoredAlert[] => {
  const ended = alerts.filter(({ endsAt }) => endsAt !== null);
  const settled = ended.filter((alert) => !unsettled.has(alert.fingerprint) && isRecent(alert, nowMs));
  const open = ended.filter(({ fingerprint }) => unsettled.has(fingerprint));
  return [...alerts.filter(({ endsAt }) => endsAt === null), ...lastEnded(open, MAX_UNSETTLED), ...lastEnded(settled, MAX_RESOLVED)];
};

/** Stores alerts in the ledger, so that every hub has them and a restart loses none. */
export class AlertStore {
  readonly #records: KeyedStore;
  readonly #unsettled: () => ReadonlySet<string>;

  /**
   * @param unsettled returns the fingerprints of alerts that receivers are still to be notified of;
   * these are kept regardless of their age
   */
  constructor(records: KeyedStore, unsettled: () => ReadonlySet<string>) {
    this.#records = records;
    this.#unsettled = unsettled;
  }

  /**
   * Lists the alerts that fire, that ended within a day, or that a receiver is still to be notified
   * of, in no order. Unchanged alerts stay the same objects.
   */
  list(nowMs: number): readonly StoredAlert[] {
    const all = this.#records.list(ALERT_KIND).flatMap(alertsIn);
    if (all.every((alert) => isRecent(alert, nowMs))) return all;
    const unsettled = this.#unsettled();
    return all.filter((alert) => isRecent(alert, nowMs) || unsettled.has(alert.fingerprint));
  }

  get(fingerprint: string): StoredAlert | undefined {
    return alertsIn(this.#records.get(ALERT_KIND, bucketOf(fingerprint))).find((alert) => alert.fingerprint === fingerprint);
  }

  /**
   * Writes alerts that fire from now on. If another hub has written one meanwhile, so that it fires
   * already, that one stays. Resolves once all are durable.
   */
  begin(alerts: readonly StoredAlert[], nowMs: number): Promise<void> {
    return this.#write(alerts, nowMs, (before) => before?.endsAt !== null);
  }

  /**
   * Writes alerts that end, or whose text changes. A stored alert that does not fire, or is of
   * another occurrence, stays unchanged.
   */
  change(alerts: readonly StoredAlert[], nowMs: number): Promise<void> {
    return this.#write(alerts, nowMs, (before, { startsAt }) => before?.endsAt === null && before.startsAt === startsAt);
  }

  subscribe(handler: () => void): () => void {
    return this.#records.subscribe(ALERT_KIND, handler);
  }

  async #write(
    alerts: readonly StoredAlert[],
    nowMs: number,
    isTaken: (before: StoredAlert | undefined, after: StoredAlert) => boolean,
  ): Promise<void> {
    if (alerts.length === 0) return;
    const unsettled = this.#unsettled();
    const byName = Map.groupBy(alerts, ({ fingerprint }) => bucketOf(fingerprint));
    await Promise.all(
      [...byName].map(([name, written]) =>
        this.#records.update(ALERT_KIND, name, (value) => {
          const before = new Map(alertsIn(value).map((alert) => [alert.fingerprint, alert]));
          const taken = written.filter((alert) => isTaken(before.get(alert.fingerprint), alert));
          if (taken.length === 0) return value;
          for (const alert of taken) before.set(alert.fingerprint, alert);
          return keep([...before.values()], nowMs, unsettled);
        }),
      ),
    );
  }
}
