import { createHmac } from 'node:crypto';
import type { ReceiverSettings } from '../file/alerts-file.ts';
import { attempt, postJson, readSecret, secretsOfUrl } from './http.ts';
import { timeText } from './notification-text.ts';
import type { Notification, NotifiedAlert, Outcome } from './receiver.ts';

/** Most alerts in the body of a notification. The rest is counted. */
const MAX_ALERTS = 500;

const formatAlert = ({ fingerprint, name, severity, status, labels, summary, details, url, startsAt, endsAt }: NotifiedAlert): object => ({
  fingerprint,
  name,
  severity,
  status,
  labels,
  summary,
  details,
  url,
  startsAt: timeText(startsAt),
  endsAt: endsAt === null || status === 'firing' ? null : timeText(endsAt),
});

/** Formats the body, with all fields of the alerts at full length. */
export const formatWebhook = (
  { key, groupKey, groupLabels, status, alerts, createdAt, hubUrl }: Notification,
  receiver: string,
): object => ({
  version: 1,
  key,
  groupKey,
  receiver,
  status,
  groupLabels,
  createdAt: timeText(createdAt),
  hubUrl: hubUrl ?? null,
  alerts: alerts.slice(0, MAX_ALERTS).map(formatAlert),
  truncatedAlerts: Math.max(0, alerts.length - MAX_ALERTS),
});

/** HMAC-SHA256 over `<timestamp>.<body>`, in hexadecimal. @param timestamp seconds since 1970 */
export const signWebhook = (secret: string, timestamp: string, body: string): string =>
  createHmac('sha256', secret).update(`${timestamp}.${body}`).digest('hex');

/** Sends the body with its signature and its key. */
export const sendWebhook = (
  { url, urlFile, secretFile }: NonNullable<ReceiverSettings['webhook']>,
  receiver: string,
  notification: Notification,
  signal: AbortSignal,
): Promise<Outcome> =>
  attempt(async () => {
    const secret = await readSecret(secretFile);
    const secretUrl = urlFile === undefined ? '' : await readSecret(urlFile);
    const body = JSON.stringify(formatWebhook(notification, receiver));
    const timestamp = String(Math.floor(Date.now() / 1000));
    const headers = {
      'idempotency-key': notification.key,
      'x-fso-timestamp': timestamp,
      'x-fso-signature': `sha256=${signWebhook(secret, timestamp, body)}`,
    };
    return postJson({ url: url ?? secretUrl, headers, body, secrets: [secret, ...secretsOfUrl(secretUrl)] }, signal);
  });
