import type { ReceiverKind } from '@fso/shared/api';
import type { ReceiverSettings } from '../file/alerts-file.ts';
import { sendAlertmanager } from './alertmanager.ts';
import { sendEmail } from './email.ts';
import { sendPagerDuty } from './pagerduty.ts';
import type { Notification, Outcome, Receiver } from './receiver.ts';
import { sendSlack } from './slack.ts';
import { sendWebhook } from './webhook.ts';

interface Channel {
  readonly kind: ReceiverKind;
  readonly target: string;
  readonly send: (notification: Notification, signal: AbortSignal) => Promise<Outcome>;
}

const hostOf = (url: string): string => new URL(url).host;

/** Channel of a receiver. Where its URL is a secret, not even the host is shown as its target. */
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

/** The way to one receiver of the alerts file. */
export const openReceiver = (settings: ReceiverSettings): Receiver => {
  const { kind, target, send } = channelOf(settings);
  return { name: settings.name, sendResolved: settings.sendResolved, kind, target, isAlertmanager: kind === 'alertmanager', send };
};
