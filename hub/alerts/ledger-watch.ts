import { sha256 } from '@fso/shared/encoding';
import type { Clock, Logger } from '@fso/shared/runtime';
import type { Ledger } from '../ledger/index.ts';
import { fire, identityOf, pageOfAlert, type StoredAlert } from './alert.ts';
import type { AlertsConfig } from './alerts-file.ts';
import { labelSetOf } from './matchers.ts';
import { type Placing, setUp } from './notify/setup.ts';
import type { Notification } from './receivers/receiver.ts';
import type { Silences } from './silences.ts';

export interface LedgerWatchDeps {
  readonly ledger: Pick<Ledger, 'health' | 'leads'>;
  readonly silences: Silences;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly hubUrl: string | undefined;
}

const NAME = 'LedgerUnavailable';

const alertOf = (since: string, details: string): StoredAlert => {
  const identified = { name: NAME, severity: 'critical', labels: {} } as const;
  return fire({ ...identified, identity: identityOf(identified), details, isCurrent: true }, Date.parse(since));
};

/**
 * The alert that the ledger cannot be written. It cannot be recorded either, so it is kept in memory: of several hubs the one that led last
 * sends it, under a key that the beginning of the outage decides.
 */
export class LedgerWatch {
  readonly #deps: LedgerWatchDeps;
  #ledLast: boolean = false;
  #alert: StoredAlert | undefined;
  /** Receivers that know of it. */
  readonly #told = new Set<string>();

  constructor(deps: LedgerWatchDeps) {
    this.#deps = deps;
  }

  /** Looks once, and sends what is to be sent. */
  async look(config: AlertsConfig, signal: AbortSignal): Promise<void> {
    const { ledger, clock } = this.#deps;
    const health = ledger.health();
    if (health.ok) {
      this.#ledLast = ledger.leads();
      await this.#end(config, signal);
      return;
    }
    const lastsMs = clock.now().getTime() - Date.parse(health.since);
    if (!this.#ledLast || lastsMs < config.rules(NAME).forMs) return;
    this.#alert ??= alertOf(health.since, health.message);
    await this.#begin(config, this.#alert, signal);
  }

  async #begin(config: AlertsConfig, alert: StoredAlert, signal: AbortSignal): Promise<void> {
    if (this.#deps.silences.matching(labelSetOf(alert), this.#deps.clock.now().getTime()).length > 0) return;
    for (const placing of setUp(config).groupsOf(alert)) {
      const { name, isAlertmanager } = placing.receiver;
      // Alertmanager forgets what it is not sent again.
      if (this.#told.has(name) && !isAlertmanager) continue;
      if (await this.#send(placing, alert, signal)) this.#told.add(name);
    }
  }

  async #end(config: AlertsConfig, signal: AbortSignal): Promise<void> {
    const alert = this.#alert;
    if (alert === undefined) return;
    const ended = { ...alert, endsAt: this.#deps.clock.now().getTime() };
    for (const placing of setUp(config).groupsOf(alert)) {
      const { name, sendResolved } = placing.receiver;
      if (this.#told.has(name) && (!sendResolved || (await this.#send(placing, ended, signal)))) this.#told.delete(name);
    }
    if (this.#told.size === 0) this.#alert = undefined;
  }

  async #send({ place, receiver }: Placing, alert: StoredAlert, signal: AbortSignal): Promise<boolean> {
    const { hubUrl, logger, clock } = this.#deps;
    const status = alert.endsAt === null ? 'firing' : 'resolved';
    const notification: Notification = {
      key: sha256(`${place.key} ${alert.startsAt} ${status}`).slice(0, 32),
      groupKey: place.key,
      groupLabels: place.labels,
      status,
      alerts: [{ ...alert, status, isNew: true, url: `${hubUrl ?? ''}${pageOfAlert(alert)}` }],
      createdAt: clock.now().getTime(),
      hubUrl,
    };
    const outcome = await receiver.send(notification, signal);
    if (outcome.kind !== 'delivered') logger.warn({ receiver: receiver.name, reason: outcome.reason }, 'notification was not taken');
    return outcome.kind === 'delivered';
  }
}
