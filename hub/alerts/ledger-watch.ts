import { sha256 } from '@fso/shared/encoding';
import { createPauseMeter, type Runtime } from '@fso/shared/runtime';
import type { Journal, Lease, LedgerHealth } from '../ledger/index.ts';
import { fire, identityOf, pageOfAlert, type StoredAlert } from './alert.ts';
import type { AlertsConfig } from './file/alerts-file.ts';
import { NotificationRetries } from './notify/notification-retries.ts';
import { type GroupPlacement, setUp } from './notify/setup.ts';
import type { Notification } from './receivers/receiver.ts';
import type { Silences } from './silences.ts';

/** State of the ledger and of its lease, and what the alert about it needs. */
export interface LedgerWatchDeps extends Runtime {
  readonly ledger: Pick<Journal, 'health'> & Pick<Lease, 'leads'>;
  readonly silences: Silences;
  /** Milliseconds for which this process was paused. */
  readonly pausedMs: () => number;
  readonly hubUrl: string | undefined;
}

const NAME = 'LedgerUnavailable';

const alertOf = (since: string, details: string): StoredAlert => {
  const identified = { name: NAME, severity: 'critical', labels: {} } as const;
  return fire({ ...identified, identity: identityOf(identified), details, isCurrent: true }, Date.parse(since));
};

/** A receiver that was notified, with the alert of the outage. */
interface Notified {
  readonly placing: GroupPlacement;
  readonly alert: StoredAlert;
}

/** Key of a separate group, so that its end does not resolve other alerts of the same route. */
const ownKey = ({ place }: GroupPlacement): string => sha256(`${place.key} ${NAME}`).slice(0, 32);

/**
 * Notifies receivers that the ledger cannot be written. This alert cannot be stored in the ledger
 * and is kept in memory: of several hubs, the one that led last sends it. The start of the outage
 * determines its key.
 */
export class LedgerWatch {
  readonly #deps: LedgerWatchDeps;
  #ledLast: boolean = false;
  readonly #newPauseMs: () => number;
  /** Milliseconds of the outage in which this process was paused. */
  #unseenMs = 0;
  readonly #notified = new Map<string, Notified>();
  readonly #retries: NotificationRetries;

  constructor(deps: LedgerWatchDeps) {
    this.#deps = deps;
    this.#retries = new NotificationRetries(deps);
    this.#newPauseMs = createPauseMeter(deps.pausedMs);
  }

  /**
   * Whether this hub notifies for all: it leads, or it led before the ledger became unavailable.
   */
  get speaks(): boolean {
    const { ledger } = this.#deps;
    return ledger.health().ok ? ledger.leads() : this.#ledLast;
  }

  /** Checks the ledger once, and sends the notifications that are due. */
  async look(config: AlertsConfig, signal: AbortSignal): Promise<void> {
    const { ledger } = this.#deps;
    const health = ledger.health();
    const lastsMs = this.#lastsMs(health);
    if (health.ok) {
      this.#ledLast = ledger.leads();
      await this.#end(config, signal);
      return;
    }
    if (!this.#ledLast || lastsMs < config.rules(NAME).forMs) return;
    await this.#begin(config, alertOf(health.since, health.message), signal);
  }

  /** Milliseconds that the outage has lasted, without pauses of this process. */
  #lastsMs(health: LedgerHealth): number {
    const addedMs = this.#newPauseMs();
    if (health.ok) {
      this.#unseenMs = 0;
      return 0;
    }
    const lastsMs = this.#deps.clock.now().getTime() - Date.parse(health.since);
    // Part of the pause may have been before the outage.
    this.#unseenMs = Math.min(this.#unseenMs + addedMs, lastsMs);
    return lastsMs - this.#unseenMs;
  }

  async #begin(config: AlertsConfig, alert: StoredAlert, signal: AbortSignal): Promise<void> {
    if (this.#deps.silences.matching(alert, this.#deps.clock.now().getTime()).length > 0) return;
    await Promise.all(
      setUp(config)
        .groupsOf(alert)
        .map(async (placing) => {
          const key = ownKey(placing);
          const isNotified = this.#notified.get(key)?.alert.startsAt === alert.startsAt;
          // Alertmanager forgets alerts that are not sent again.
          if (isNotified && !placing.receiver.isAlertmanager) return;
          if (await this.#send(placing, alert, signal)) this.#notified.set(key, { placing, alert });
        }),
    );
  }

  async #end(config: AlertsConfig, signal: AbortSignal): Promise<void> {
    const endsAt = this.#deps.clock.now().getTime();
    const { receivers } = setUp(config);
    await Promise.all(
      [...this.#notified].map(async ([key, { placing, alert }]) => {
        // A receiver that is no longer in the file is not notified any more.
        const receiver = receivers.get(placing.receiver.name);
        if (receiver?.sendResolved !== true || (await this.#send({ ...placing, receiver }, { ...alert, endsAt }, signal)))
          this.#notified.delete(key);
      }),
    );
  }

  /** Sends the alert, unless a retry has to wait. @returns whether the receiver has taken it */
  async #send(placing: GroupPlacement, alert: StoredAlert, signal: AbortSignal): Promise<boolean> {
    const { logger, clock } = this.#deps;
    const { receiver } = placing;
    const groupKey = ownKey(placing);
    if (clock.monotonicMs() < this.#retries.atMs(groupKey)) return false;
    const outcome = await receiver.send(this.#notificationOf(placing, groupKey, alert), signal);
    if (outcome.kind === 'delivered') {
      this.#retries.forget(groupKey);
      return true;
    }
    this.#retries.postpone(groupKey, outcome.kind === 'failed' ? outcome.afterMs : undefined);
    logger.warn({ receiver: receiver.name, reason: outcome.reason }, 'notification was not delivered');
    return false;
  }

  #notificationOf({ place }: GroupPlacement, groupKey: string, alert: StoredAlert): Notification {
    const { hubUrl, clock } = this.#deps;
    const status = alert.endsAt === null ? 'firing' : 'resolved';
    return {
      key: sha256(`${groupKey} ${alert.startsAt} ${status}`).slice(0, 32),
      groupKey,
      groupLabels: place.labels,
      status,
      alerts: [{ ...alert, status, isNew: true, url: `${hubUrl ?? ''}${pageOfAlert(alert)}` }],
      createdAt: clock.now().getTime(),
      hubUrl,
    };
  }
}
