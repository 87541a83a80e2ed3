import type { KeyedStore } from '../ledger/index.ts';
import { StoredAlert } from './alert.ts';
import { bucketOf, createListReader } from './stored-list.ts';

const ALERT_KIND = 'alert';

/** Time for which an alert is kept after its end, in milliseconds. */
const RESOLVED_MS = 86_400_000;
/** Most resolved alerts of one record, as of a problem that comes and goes with ever new labels. */
const MAX_RESOLVED = 32;
/**
 * Most resolved alerts of one record that an unavailable receiver is yet to be notified of: a
 * million in all.
 */
const MAX_UNSETTLED = 256;

const alertsIn = createListReader(StoredAlert);

const isRecent = ({ endsAt }: StoredAlert, nowMs: number): boolean => endsAt === null || endsAt > nowMs - RESOLVED_MS;

const lastEnded = (alerts: readonly StoredAlert[], max: number): StoredAlert[] =>
  alerts.toSorted((a, b) => (b.endsAt ?? 0) - (a.endsAt ?? 0)).slice(0, max);

/**
 * Firing ones, those that ended and a receiver is yet to be notified of, and the last of the
 * others.
 */
const keep = (alerts: readonly StoredAlert[], nowMs: number, unsettled: ReadonlySet<string>): StoredAlert[] => {
  const ended = alerts.filter(({ endsAt }) => endsAt !== null);
  const told = ended.filter((alert) => !unsettled.has(alert.fingerprint) && isRecent(alert, nowMs));
  const untold = ended.filter(({ fingerprint }) => unsettled.has(fingerprint));
  return [...alerts.filter(({ endsAt }) => endsAt === null), ...lastEnded(untold, MAX_UNSETTLED), ...lastEnded(told, MAX_RESOLVED)];
};

/** Alerts in the ledger, so that every hub knows them and none is lost. */
export class AlertStore {
  readonly #records: KeyedStore;
  readonly #unsettled: () => ReadonlySet<string>;

  /**
   * @param unsettled fingerprints of alerts that receivers are yet to be notified of: they are kept
   * for as long, however old
   */
  constructor(records: KeyedStore, unsettled: () => ReadonlySet<string>) {
    this.#records = records;
    this.#unsettled = unsettled;
  }

  /**
   * Alerts that fire, that ended within a day, or that a receiver is yet to be notified of; in no
   * order, and the same objects again for what did not change.
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
   * Writes alerts that fire from now on. One that fires already, as another hub wrote meanwhile,
   * stays as it is. Resolves once all are durable.
   */
  begin(alerts: readonly StoredAlert[], nowMs: number): Promise<void> {
    return this.#write(alerts, nowMs, (before) => before?.endsAt !== null);
  }

  /**
   * Writes alerts that end, or whose text changes. One that does not fire, or fires since another
   * time, stays as it is.
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
