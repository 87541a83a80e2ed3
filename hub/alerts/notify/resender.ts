import { messageOf } from '@fso/shared/runtime';
import type { Journal } from '../../ledger/index.ts';
import type { StoredAlert } from '../alert.ts';
import type { AlertsConfig } from '../file/alerts-file.ts';
import { ALERTMANAGER_BATCH, RESEND_MS } from '../receivers/alertmanager.ts';
import { notifiedOf, type Receiver } from '../receivers/receiver.ts';
import type { NotificationsUnderWay, NotifierDeps } from './notifier.ts';
import { setUp } from './setup.ts';

/** Groups, alerts and receivers of a {@link Resender}. */
export interface ResenderDeps extends Omit<NotifierDeps, 'ledger' | 'statuses' | 'random' | 'metrics'> {
  readonly ledger: Pick<Journal, 'health'>;
}

/**
 * Sends firing alerts to Alertmanager at intervals, as it forgets alerts that are not sent again.
 * This needs no record, as sending twice does no harm, and continues from memory while the ledger
 * is unavailable. Otherwise it never overlaps with a notification of the group, so that it cannot
 * undo the end of an alert.
 */
export class Resender {
  readonly #deps: ResenderDeps;
  readonly #sending: NotificationsUnderWay;
  /** Monotonic time at which the last resend of all firing alerts began, by key of the group. */
  readonly #resentAt = new Map<string, number>();

  constructor(deps: ResenderDeps, sending: NotificationsUnderWay) {
    this.#deps = deps;
    this.#sending = sending;
  }

  /** Sends the alerts of groups that are due, and waits for that. */
  async look(config: AlertsConfig, signal: AbortSignal): Promise<void> {
    const setup = setUp(config);
    const nowMs = this.#deps.clock.monotonicMs();
    const due = this.#deps.groups
      .list()
      .flatMap(({ key, receiver }): [string, Receiver][] => {
        const found = setup.receivers.get(receiver);
        return found?.isAlertmanager === true ? [[key, found]] : [];
      })
      .filter(([key]) => nowMs - (this.#resentAt.get(key) ?? Number.NEGATIVE_INFINITY) >= RESEND_MS);
    await Promise.all(due.map(([key, receiver]) => this.#sendAll(key, receiver, signal)));
  }

  async #sendAll(key: string, receiver: Receiver, signal: AbortSignal): Promise<void> {
    const fingerprints = this.#firing(key).map(({ fingerprint }) => fingerprint);
    for (let at = 0; at < fingerprints.length && !signal.aborted; at += ALERTMANAGER_BATCH) {
      // A notification in flight goes first, and the next call sends the alerts as they are then.
      // Without the ledger, it may be in flight for long, and is not waited for.
      if (this.#sending.has(key) && this.#deps.ledger.health().ok) return;
      const batch = new Set(fingerprints.slice(at, at + ALERTMANAGER_BATCH));
      await this.#sendBatch(
        key,
        receiver,
        this.#firing(key).filter(({ fingerprint }) => batch.has(fingerprint)),
        signal,
      );
    }
    this.#resentAt.set(key, this.#deps.clock.monotonicMs());
  }

  async #sendBatch(key: string, receiver: Receiver, firing: readonly StoredAlert[], signal: AbortSignal): Promise<void> {
    if (firing.length === 0) return;
    const { clock, hubUrl, logger, onSent } = this.#deps;
    const alerts = firing.map((alert) => notifiedOf(hubUrl, alert, false, false));
    const createdAt = clock.now().getTime();
    const sent = receiver
      .send({ key, groupKey: key, groupLabels: {}, status: 'firing', alerts, createdAt, hubUrl }, signal)
      .then((outcome) => {
        if (outcome.kind !== 'delivered') logger.warn({ receiver: receiver.name, reason: outcome.reason }, 'alerts were not sent again');
      })
      .catch((error: unknown) => logger.warn({ receiver: receiver.name, reason: messageOf(error) }, 'alerts were not sent again'));
    const isFree = !this.#sending.has(key);
    if (isFree) this.#sending.set(key, { receiver: receiver.name, done: sent });
    await sent;
    if (!isFree) return;
    this.#sending.delete(key);
    onSent();
  }

  /**
   * Alerts that the receiver knows as firing, that still fire, and that are neither silenced nor
   * about to change.
   */
  #firing(key: string): StoredAlert[] {
    const { told = {}, pending } = this.#deps.groups.get(key) ?? {};
    const nowMs = this.#deps.clock.now().getTime();
    return Object.entries(told).flatMap(([fingerprint, [startsAt, state]]) => {
      if (state !== 'firing' || pending?.marks[fingerprint]?.[1] === 'resolved') return [];
      const alert = this.#deps.alerts.get(fingerprint);
      if (alert === undefined || alert.endsAt !== null || alert.startsAt !== startsAt) return [];
      return this.#deps.silences.matching(alert, nowMs).length > 0 ? [] : [alert];
    });
  }
}
