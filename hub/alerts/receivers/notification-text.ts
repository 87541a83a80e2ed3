import { truncate } from '@fso/shared/text';
import { labelSetOf, MATCHED_LABELS } from '../matchers.ts';
import type { Notification, NotifiedAlert } from './receiver.ts';

/** Most alerts that a message to people lists. The rest is counted. */
export const LISTED = 10;

/** Title of a notification: `FIRING` or `RESOLVED`, and how many of each. */
export const titleOf = ({ status, alerts, groupLabels }: Notification): string => {
  const firing = alerts.filter((alert) => alert.status === 'firing').length;
  const resolved = alerts.length - firing;
  const [first] = alerts;
  const counts = [...(firing > 0 ? [`${firing} firing`] : []), ...(resolved > 0 ? [`${resolved} resolved`] : [])];
  const what = alerts.length === 1 && first !== undefined ? first.summary : `${groupLabels.name ?? 'Alerts'} (${counts.join(', ')})`;
  return `[${status.toUpperCase()}] ${what}`;
};

/** Formats the labels of an alert: `cluster=eu-1 policy=finance severity=critical` */
export const labelText = (alert: NotifiedAlert): string => {
  const labels = labelSetOf(alert);
  return MATCHED_LABELS.flatMap((label) => (labels[label] === undefined ? [] : [`${label}=${labels[label]}`])).join(' ');
};

/** Summary of an alert in one line, with its status and severity. */
export const lineOf = (alert: NotifiedAlert): string => `[${alert.status}] ${alert.severity}: ${alert.summary}`;

/** Formats a time as RFC 3339. @param ms milliseconds since 1970 */
export const timeText = (ms: number): string => new Date(ms).toISOString();

/**
 * End of a shortened list of alerts, such as `and 57 more`; empty if all are listed.
 *
 * @param listed number of listed alerts
 */
export const moreText = ({ alerts }: Notification, listed: number = LISTED): string =>
  alerts.length > listed ? `and ${alerts.length - listed} more` : '';

/** Details in a few lines. */
export const shortDetails = ({ details }: NotifiedAlert, max: number): string => truncate(details, max);
