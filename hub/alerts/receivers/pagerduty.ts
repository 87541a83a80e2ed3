import { truncate } from '@fso/shared/text';
import { attempt, postJson, readSecret } from './http.ts';
import { LISTED, labelText, lineOf, moreText, shortDetails, timeText, titleOf } from './notification-text.ts';
import type { Notification, Outcome } from './receiver.ts';

/**
 * Limits of the Events API v2: a summary of 1,024 characters, a `dedup_key` of 255, an event of 512
 * KB (https://developer.pagerduty.com/docs/events-api-v2/trigger-events/). The details here add up
 * to far less.
 */
const MAX_SUMMARY = 1_024;
const MAX_DETAILS = 1_024;

const SEVERITIES = { critical: 'critical', warning: 'warning', info: 'info' } as const;

const isLink = (url: string): boolean => /^https?:\/\//.test(url);

/** Formats the event. A group is one incident, which is resolved when none of its alerts fires. */
export const formatPagerDuty = (notification: Notification, routingKey: string): object => {
  const { alerts, groupKey, status, hubUrl } = notification;
  const firing = alerts.filter((alert) => alert.status === 'firing');
  // The first alert need not be the worst one, as new alerts come before others.
  const worst = (['critical', 'warning', 'info'] as const).find((severity) => firing.some((alert) => alert.severity === severity));
  const listed = alerts.slice(0, LISTED);
  const [first] = alerts;
  const event = { routing_key: routingKey, dedup_key: groupKey, event_action: status === 'firing' ? 'trigger' : 'resolve' };
  return {
    ...event,
    client: 'FSO hub',
    ...(hubUrl === undefined ? {} : { client_url: hubUrl }),
    payload: {
      summary: truncate(titleOf(notification), MAX_SUMMARY),
      source: truncate(first?.labels.cluster ?? 'fso-hub', 255),
      severity: SEVERITIES[worst ?? 'info'],
      timestamp: timeText(first?.startsAt ?? notification.createdAt),
      component: 'fso-hub',
      ...(first === undefined ? {} : { class: first.name }),
      custom_details: {
        key: notification.key,
        firing: firing.length,
        resolved: alerts.length - firing.length,
        alerts: listed.map((alert) => ({ alert: lineOf(alert), labels: labelText(alert), details: shortDetails(alert, MAX_DETAILS) })),
        ...(alerts.length > LISTED ? { more: moreText(notification) } : {}),
      },
    },
    links: listed.filter(({ url }) => isLink(url)).map(({ url, summary }) => ({ href: url, text: summary })),
  };
};

/** Sends one event. */
export const sendPagerDuty = (
  { url, routingKeyFile }: { readonly url: string; readonly routingKeyFile: string },
  notification: Notification,
  signal: AbortSignal,
): Promise<Outcome> =>
  attempt(async () => {
    const routingKey = await readSecret(routingKeyFile);
    return postJson({ url, headers: {}, body: JSON.stringify(formatPagerDuty(notification, routingKey)), secrets: [routingKey] }, signal);
  });
