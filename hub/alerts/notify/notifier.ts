import { randomUUID } from 'node:crypto';
import { ALERT_SEVERITIES, type NewAuditEntry, type ReceiverKind } from '@fso/shared/api';
import { mapConcurrently, type Runtime } from '@fso/shared/runtime';
import type { Journal, Lease } from '../../ledger/index.ts';
import type { AlertStore } from '../alert-store.ts';
import type { AlertsConfig } from '../file/alerts-file.ts';
import { type Notification, type NotifiedAlert, notifiedOf, type Outcome, type Receiver } from '../receivers/receiver.ts';
import type { Silences } from '../silences.ts';
import type { GroupStore } from './group-store.ts';
import { type GroupMember, type GroupRecord, newGroup, planGroup, settleGroup } from './groups.ts';
import { NotificationRetries } from './notification-retries.ts';
import type { ReceiverStatuses } from './receiver-status.ts';
import { ALERTMANAGER_TIMES, type AlertSetup, type GroupPlacement, setUp } from './setup.ts';

/** Metrics of notifications and firing alerts. */
export interface AlertMetrics {
  /** Counts an attempt to send a notification. */
  notified(kind: ReceiverKind, result: Outcome['kind']): void;
  /** Sets the number of notifications that are recorded and not delivered. */
  waiting(count: number): void;
  firing(counts: Readonly<Record<(typeof ALERT_SEVERITIES)[number], number>>): void;
}

/** Stores of alerts, groups and silences, and the receivers. */
export interface NotifierDeps extends Runtime {
  readonly ledger: Pick<Journal, 'audit'> & Pick<Lease, 'leads'>;
  readonly alerts: AlertStore;
  readonly groups: GroupStore;
  readonly silences: Silences;
  readonly statuses: ReceiverStatuses;
  readonly metrics: AlertMetrics;
  readonly hubUrl: string | undefined;
  /** Called when a notification was sent, so that the groups that wait for it continue. */
  readonly onSent: () => void;
}

/** Most notifications that are sent to one receiver at the same time. */
const SENDS_PER_RECEIVER = 4;
/** Most records that are written at the same time. */
const WRITES = 64;

/** Notifications in flight by key of the group, which has one at a time. */
export type NotificationsUnderWay = Map<string, { readonly receiver: string; readonly done: Promise<void> }>;

interface Group extends GroupPlacement {
  readonly members: GroupMember[];
}

interface PlannedWrite {
  readonly key: string;
  readonly before: GroupRecord | undefined;
  /** undefined to remove the record. */
  readonly after: GroupRecord | undefined;
  readonly isChanged: boolean;
  readonly atMs: number;
}

const byUrgency = (a: NotifiedAlert, b: NotifiedAlert): number =>
  Number(b.isNew) - Number(a.isNew) ||
  ALERT_SEVERITIES.indexOf(a.severity) - ALERT_SEVERITIES.indexOf(b.severity) ||
  a.startsAt - b.startsAt;

/** Entry of the audit log for a notification that its receiver refused. */
const refusedEntry = (receiver: Receiver, key: string, reason: string): NewAuditEntry => ({
  actor: { kind: 'hub', id: 'hub', roles: [] },
  from: null,
  action: 'alert.notification-refused',
  subject: receiver.name,
  detail: { kind: receiver.kind, key, reason },
});

/**
 * Notifies receivers of alerts, at least once: a notification is recorded with its key before it is
 * sent, and marked as sent afterwards. A hub that ends in between sends it once more, with the same
 * key. One group has one notification under way at a time.
 */
export class Notifier {
  readonly #deps: NotifierDeps;
  /** Sends under way, by key of the group. */
  readonly #sending: NotificationsUnderWay;
  readonly #retries: NotificationRetries;
  /** Monotonic time until which a receiver asked to be sent nothing, by name. */
  readonly #busyUntil = new Map<string, number>();
  /** Names of the receivers in the alerts file. */
  #receivers: readonly string[] = [];

  /** @param sending notifications in flight, shared with the resender */
  constructor(deps: NotifierDeps, sending: NotificationsUnderWay) {
    this.#deps = deps;
    this.#retries = new NotificationRetries(deps);
    this.#sending = sending;
  }

  /**
   * Records the notifications that are due, and begins to send them.
   *
   * @returns when the next pass is due, in milliseconds since 1970, unless something changes
   * before; Infinity if only a change makes it due
   */
  async pass(config: AlertsConfig, signal: AbortSignal): Promise<number> {
    const setup = setUp(config);
    this.#receivers = [...setup.receivers.keys()];
    const groups = this.#groupsOf(setup);
    const atMs = await this.#plan(groups, setup);
    return Math.min(atMs, this.#sendDue(setup, signal));
  }

  /** Waits for the sends under way, which end soon after the signal of {@link pass} aborts. */
  async settled(): Promise<void> {
    await Promise.allSettled([...this.#sending.values()].map(({ done }) => done));
  }

  #groupsOf({ groupsOf }: AlertSetup): Map<string, Group> {
    const nowMs = this.#nowMs();
    const groups = new Map<string, Group>();
    for (const alert of this.#deps.alerts.list(nowMs)) {
      const found = groupsOf(alert);
      if (found.length === 0) continue;
      const silenced = this.#deps.silences.matching(alert, alert.endsAt ?? nowMs).length > 0;
      for (const { place, receiver } of found) {
        const group = groups.get(place.key) ?? { place, receiver, members: [] };
        group.members.push({ alert, silenced });
        groups.set(place.key, group);
      }
    }
    return groups;
  }

  async #plan(groups: ReadonlyMap<string, Group>, setup: AlertSetup): Promise<number> {
    const stored = new Map(this.#deps.groups.list().map((record) => [record.key, record]));
    const keys = [...new Set([...groups.keys(), ...stored.keys()])];
    const plans = keys.map((key) => this.#planOne(setup, key, stored.get(key), groups.get(key)));
    const writes = plans.filter(({ isChanged }) => isChanged);
    await mapConcurrently(writes, WRITES, ({ key, before, after }) =>
      // A concurrent change stands, and the next pass plans from it.
      this.#deps.groups.update(key, (now) => (now === before || sameJson(now, before) ? after : now)),
    );
    return Math.min(...plans.map(({ atMs }) => atMs), Number.POSITIVE_INFINITY);
  }

  #planOne({ receivers }: AlertSetup, key: string, before: GroupRecord | undefined, group: Group | undefined): PlannedWrite {
    const receiver = receivers.get(before?.receiver ?? group?.receiver.name ?? '');
    // A receiver that is no longer in the file is not notified any more.
    if (receiver === undefined) return { key, before, after: undefined, isChanged: true, atMs: Number.POSITIVE_INFINITY };
    const { sendResolved, name } = receiver;
    const record = before ?? newGroup(key, name, { ...group?.place.labels } as GroupRecord['labels']);
    const route = group?.place.route ?? ALERTMANAGER_TIMES;
    const plan = planGroup({ record, members: group?.members ?? [], route, sendResolved, nowMs: this.#nowMs() }, randomUUID);
    return { key, before, after: plan.record, isChanged: plan.record !== undefined, atMs: plan.atMs };
  }

  #sendDue(setup: AlertSetup, signal: AbortSignal): number {
    const { receivers } = setup;
    const nowMs = this.#deps.clock.monotonicMs();
    let nextMs = Number.POSITIVE_INFINITY;
    const waiting = this.#deps.groups.list().filter(({ pending }) => pending !== null);
    this.#deps.metrics.waiting(waiting.length);
    for (const record of waiting.toSorted((a, b) => (a.pending?.createdAt ?? 0) - (b.pending?.createdAt ?? 0))) {
      const receiver = receivers.get(record.receiver);
      if (receiver === undefined || this.#sending.has(record.key)) continue;
      const atMs = Math.max(this.#retries.atMs(record.key), this.#busyUntil.get(receiver.name) ?? 0);
      if (atMs > nowMs) nextMs = Math.min(nextMs, atMs);
      else if (this.#hasRoom(receiver)) this.#begin(record, receiver, setup, signal);
    }
    return this.#nowMs() + nextMs - nowMs;
  }

  /**
   * Whether the receiver may be sent another notification now. If not, the next one is sent when
   * one is done.
   */
  #hasRoom({ name }: Receiver): boolean {
    return [...this.#sending.values()].filter(({ receiver }) => receiver === name).length < SENDS_PER_RECEIVER;
  }

  #begin(record: GroupRecord, receiver: Receiver, setup: AlertSetup, signal: AbortSignal): void {
    const done = this.#send(record, receiver, signal)
      .catch((err: unknown) => {
        this.#deps.logger.error({ err, receiver: receiver.name }, 'notification could not be recorded');
        this.#retryLater(record.key, receiver);
      })
      .finally(() => {
        this.#sending.delete(record.key);
        // The next notification for this receiver does not wait for the next evaluation.
        if (!signal.aborted) this.#sendDue(setup, signal);
        this.#deps.onSent();
      });
    this.#sending.set(record.key, { receiver: receiver.name, done });
  }

  async #send(record: GroupRecord, receiver: Receiver, signal: AbortSignal): Promise<void> {
    const { pending } = record;
    if (pending === null || !this.#deps.ledger.leads()) return;
    const notification = this.#notificationOf(record, pending, receiver);
    // Without a notification, all alerts that it was about are forgotten already.
    const outcome: Outcome = notification === undefined ? { kind: 'delivered', answer: '' } : await receiver.send(notification, signal);
    if (signal.aborted && outcome.kind !== 'delivered') return;
    if (outcome.kind === 'failed') this.#retryLater(record.key, receiver, outcome.afterMs);
    else {
      await this.#deps.groups.update(record.key, (now) => now && settleGroup(now, pending.key, this.#nowMs()));
      this.#retries.forget(record.key);
    }
    if (notification !== undefined) await this.#note(receiver, pending.key, outcome);
  }

  async #note(receiver: Receiver, key: string, outcome: Outcome): Promise<void> {
    const { metrics, statuses, logger, ledger } = this.#deps;
    metrics.notified(receiver.kind, outcome.kind);
    if (outcome.kind !== 'delivered')
      logger.warn(
        { receiver: receiver.name, key, reason: outcome.reason, permanent: outcome.kind === 'refused' },
        'notification was not delivered',
      );
    if (outcome.kind === 'refused') await ledger.audit.append(refusedEntry(receiver, key, outcome.reason));
    await statuses.note(receiver.name, outcome, this.#receivers, this.#nowMs());
  }

  #retryLater(key: string, receiver: Receiver, afterMs = 0): void {
    this.#retries.postpone(key, afterMs);
    if (afterMs > 0) this.#busyUntil.set(receiver.name, this.#deps.clock.monotonicMs() + afterMs);
  }

  #notificationOf(record: GroupRecord, pending: NonNullable<GroupRecord['pending']>, receiver: Receiver): Notification | undefined {
    const marked = Object.entries(pending.marks).flatMap(([fingerprint, [startsAt, state]]): NotifiedAlert[] => {
      const alert = this.#deps.alerts.get(fingerprint);
      if (alert === undefined) return [];
      const isResolved = state === 'resolved';
      const endsAt = alert.startsAt === startsAt ? alert.endsAt : pending.createdAt;
      return [
        notifiedOf(this.#deps.hubUrl, { ...alert, startsAt, endsAt: isResolved ? (endsAt ?? pending.createdAt) : null }, isResolved, true),
      ];
    });
    const others = receiver.isAlertmanager ? [] : this.#stillFiring(record, pending);
    const alerts = [...marked, ...others].sort(byUrgency);
    if (alerts.length === 0) return undefined;
    const status = alerts.some((alert) => alert.status === 'firing') ? 'firing' : 'resolved';
    const { key: groupKey, labels: groupLabels } = record;
    return { key: pending.key, groupKey, groupLabels, status, alerts, createdAt: pending.createdAt, hubUrl: this.#deps.hubUrl };
  }

  /** Alerts that the receiver knows as firing and that the notification does not change. */
  #stillFiring({ told }: GroupRecord, { marks }: NonNullable<GroupRecord['pending']>): NotifiedAlert[] {
    return Object.entries(told).flatMap(([fingerprint, [startsAt, state]]) => {
      const alert = state === 'firing' && marks[fingerprint] === undefined ? this.#deps.alerts.get(fingerprint) : undefined;
      return alert?.startsAt === startsAt && alert.endsAt === null ? [notifiedOf(this.#deps.hubUrl, alert, false, false)] : [];
    });
  }

  #nowMs(): number {
    return this.#deps.clock.now().getTime();
  }
}

const sameJson = (a: unknown, b: unknown): boolean => JSON.stringify(a) === JSON.stringify(b);
