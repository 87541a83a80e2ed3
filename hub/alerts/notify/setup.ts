import { randomUUID } from 'node:crypto';
import type { ReceiverKind } from '@fso/shared/api';
import { sha256 } from '@fso/shared/encoding';
import { weakMemo } from '@fso/shared/runtime';
import type { StoredAlert } from '../alert.ts';
import type { AlertsConfig, ReceiverSettings } from '../file/alerts-file.ts';
import { labelSetOf } from '../matchers.ts';
import { sendAlertmanager } from '../receivers/alertmanager.ts';
import { sendEmail } from '../receivers/email.ts';
import { sendPagerDuty } from '../receivers/pagerduty.ts';
import type { Notification, NotifiedAlert, Outcome, Receiver } from '../receivers/receiver.ts';
import { sendSlack } from '../receivers/slack.ts';
import { sendWebhook } from '../receivers/webhook.ts';
import { type AlertRoute, createRouting, type GroupPlace } from './routing.ts';

interface Channel {
  readonly kind: ReceiverKind;
  readonly target: string;
  readonly send: (notification: Notification, signal: AbortSignal) => Promise<Outcome>;
}

const hostOf = (url: string): string => new URL(url).host;

/** Channel of a receiver. If its URL is a secret, its target is the file that has it. */
const channelOf = ({ name, slack, pagerduty, alertmanager, webhook, email }: ReceiverSettings): Channel => {
  if (slack !== undefined)
    return { kind: 'slack', target: slack.urlFile, send: (notification, signal) => sendSlack(slack.urlFile, notification, signal) };
  if (pagerduty !== undefined)
    return {
      kind: 'pagerduty',
      target: hostOf(pagerduty.url),
      send: (notification, signal) => sendPagerDuty(pagerduty, notification, signal),
    };
  if (alertmanager !== undefined) {
    const send: Channel['send'] = (notification, signal) => sendAlertmanager(alertmanager, notification, signal);
    return { kind: 'alertmanager', target: hostOf(alertmanager.url), send };
  }
  if (webhook !== undefined) {
    const target = webhook.url === undefined ? (webhook.urlFile ?? '') : hostOf(webhook.url);
    return { kind: 'webhook', target, send: (notification, signal) => sendWebhook(webhook, name, notification, signal) };
  }
  if (email !== undefined)
    return { kind: 'email', target: `${email.host}:${email.port}`, send: (notification, signal) => sendEmail(email, notification, signal) };
  throw new Error(`receiver ${name} has no kind`);
};

/** Opens a receiver of the alerts file. */
export const openReceiver = (settings: ReceiverSettings): Receiver => {
  const { kind, target, send } = channelOf(settings);
  return { name: settings.name, sendResolved: settings.sendResolved, kind, target, isAlertmanager: kind === 'alertmanager', send };
};

/** Times of groups for Alertmanager, which groups, waits and repeats by itself. */
export const ALERTMANAGER_TIMES = { groupWaitMs: 0, groupIntervalMs: 0, repeatIntervalMs: Number.POSITIVE_INFINITY };

/** A group of alerts, and its receiver. */
export interface GroupPlacement {
  readonly place: Omit<GroupPlace, 'route'> & { readonly route: Pick<AlertRoute, 'groupWaitMs' | 'groupIntervalMs' | 'repeatIntervalMs'> };
  readonly receiver: Receiver;
}

/** Receivers and routes of an alerts file, ready for use. */
export interface AlertSetup {
  readonly receivers: ReadonlyMap<string, Receiver>;
  readonly groupsOf: (alert: StoredAlert) => readonly GroupPlacement[];
}

/** Opens the receivers of a file and reads its routes, once for each configuration. */
export const setUp = weakMemo((config: AlertsConfig): AlertSetup => {
  const receivers = new Map(config.receivers.map((settings) => [settings.name, openReceiver(settings)]));
  const route = createRouting(config);
  const placeFor = (place: GroupPlace): GroupPlacement[] => {
    const receiver = receivers.get(place.route.receiver);
    if (receiver === undefined) return [];
    if (!receiver.isAlertmanager) return [{ place, receiver }];
    return [{ place: { key: sha256(`alertmanager ${receiver.name}`).slice(0, 32), labels: {}, route: ALERTMANAGER_TIMES }, receiver }];
  };
  return { receivers, groupsOf: weakMemo((alert: StoredAlert) => route(labelSetOf(alert)).flatMap(placeFor)) };
});

/** Kinds of receivers that keep alerts open, so that a test alert is resolved again. */
const KEEPS_ALERTS: readonly Receiver['kind'][] = ['pagerduty', 'alertmanager'];

/** Sends a test alert to a receiver. @returns undefined if there is no receiver of the name */
export const testReceiver = async (
  config: AlertsConfig,
  name: string,
  { hubUrl, nowMs }: { readonly hubUrl: string | undefined; readonly nowMs: number },
  signal: AbortSignal,
): Promise<Outcome | undefined> => {
  const receiver = setUp(config).receivers.get(name);
  if (receiver === undefined) return undefined;
  const key = randomUUID();
  const alert: NotifiedAlert = {
    fingerprint: sha256(key).slice(0, 16),
    name: 'TestNotification',
    severity: 'info',
    labels: {},
    summary: 'This is a test of the alerts of the FSO hub',
    details: '',
    startsAt: nowMs,
    endsAt: null,
    status: 'firing',
    isNew: true,
    url: hubUrl ?? '/',
  };
  const notification: Notification = { key, groupKey: key, groupLabels: {}, status: 'firing', alerts: [alert], createdAt: nowMs, hubUrl };
  const outcome = await receiver.send(notification, signal);
  if (outcome.kind !== 'delivered' || !KEEPS_ALERTS.includes(receiver.kind)) return outcome;
  const ended: NotifiedAlert = { ...alert, status: 'resolved', endsAt: nowMs };
  return receiver.send({ ...notification, status: 'resolved', alerts: [ended] }, signal);
};
