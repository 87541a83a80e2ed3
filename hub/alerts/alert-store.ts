import { weakMemo } from '@fso/shared/runtime';
import { z } from 'zod';
import type { KeyedStore } from '../ledger/index.ts';
import { StoredAlert } from './alert.ts';

const ALERT_KIND = 'alert';

/** How long an alert is kept after its end. */
const RESOLVED_MS = 86_400_000;
/** Resolved alerts of one record: of a problem that comes and goes with ever new labels. */
const MAX_RESOLVED = 32;

/**
 * Alerts whose fingerprints begin alike lie in one record: what is removed leaves its name behind, so there must not be a new name for each
 * alert. These are 4,096 names.
 */
const nameOf = (fingerprint: string): string => fingerprint.slice(0, 3);

/** What another version wrote, and this one cannot read, is no alert. Records are replaced and never changed, so each is read once. */
const parse = weakMemo((value: object): readonly StoredAlert[] =>
  z
    .array(z.unknown())
    .catch([])
    .parse(value)
    .flatMap((one) => StoredAlert.safeParse(one).data ?? []),
);

const alertsIn = (value: unknown): readonly StoredAlert[] => (typeof value === 'object' && value !== null ? parse(value) : []);

/** Firing ones, and the last of those that ended. */
const keep = (alerts: readonly StoredAlert[], nowMs: number): StoredAlert[] => {
  const ended = alerts
    .filter(({ endsAt }) => endsAt !== null && endsAt > nowMs - RESOLVED_MS)
    .toSorted((a, b) => (b.endsAt ?? 0) - (a.endsAt ?? 0))
    .slice(0, MAX_RESOLVED);
  return [...alerts.filter(({ endsAt }) => endsAt === null), ...ended];
};

/** Alerts in the ledger, so that every hub knows them and none is lost. */
export class AlertStore {
  readonly #records: KeyedStore;

  constructor(records: KeyedStore) {
    this.#records = records;
  }

  /** Those that fire, and those that ended within a day; in no order, and the same objects again for what did not change. */
  list(nowMs: number): readonly StoredAlert[] {
    return this.#records
      .list(ALERT_KIND)
      .flatMap(alertsIn)
      .filter(({ endsAt }) => endsAt === null || endsAt > nowMs - RESOLVED_MS);
  }

  get(fingerprint: string): StoredAlert | undefined {
    return alertsIn(this.#records.get(ALERT_KIND, nameOf(fingerprint))).find((alert) => alert.fingerprint === fingerprint);
  }

  /** Each takes the place of the one with its fingerprint. Resolves once all are durable. */
  async write(alerts: readonly StoredAlert[], nowMs: number): Promise<void> {
    const byName = Map.groupBy(alerts, ({ fingerprint }) => nameOf(fingerprint));
    await Promise.all(
      [...byName].map(([name, written]) =>
        this.#records.update(ALERT_KIND, name, (before) => {
          const fingerprints = new Set(written.map(({ fingerprint }) => fingerprint));
          const others = alertsIn(before).filter(({ fingerprint }) => !fingerprints.has(fingerprint));
          return keep([...others, ...written], nowMs);
        }),
      ),
    );
  }

  subscribe(handler: () => void): () => void {
    return this.#records.subscribe(ALERT_KIND, handler);
  }
}
