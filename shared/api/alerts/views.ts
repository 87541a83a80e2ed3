import { z } from 'zod';
import { ResourceName } from '../common.ts';
import { PolicyKey } from '../reports.ts';
import { pageOf } from '../views.ts';
import { ALERT_NAMES, ALERT_SEVERITIES } from './rules.ts';

/**
 * Alerts, silences and receivers in the hub's API, shared by the API, the `fso` command and the
 * dashboard.
 */

const Time = z.iso.datetime({ offset: true });
const Count = z.int().min(0);

/** Severity of an alert in the API. */
export const AlertSeverityView = z.enum(ALERT_SEVERITIES);
/** Name of an alert in the API. */
export const AlertNameView = z.enum(ALERT_NAMES);

/** States of an alert that the API lists. */
export const ALERT_STATES = ['firing', 'silenced', 'resolved'] as const;
/** State of an alert in the API. */
export const AlertState = z
  .enum(ALERT_STATES)
  .describe('silenced: it fires, and nobody is notified of it. resolved: it ended within the last 24 hours.');
export type AlertState = z.infer<typeof AlertState>;

/**
 * Subject of an alert. Together with name and severity these are the labels that matchers compare.
 */
export const AlertLabels = z.object({
  cluster: ResourceName.optional(),
  policy: PolicyKey.optional(),
  region: z.string().optional().describe('Regions of the cluster, sorted, with commas between them.'),
  team: z.string().optional().describe('Label `team` of the policy; of an alert without a policy, that of the cluster.'),
});
export type AlertLabels = z.infer<typeof AlertLabels>;

/** Alert that fires, is silenced, or ended recently. */
export const AlertView = z.object({
  fingerprint: z.string().describe('16 hexadecimal digits: the same name, severity and labels have the same one, always.'),
  name: AlertNameView,
  severity: AlertSeverityView,
  state: AlertState,
  labels: AlertLabels,
  summary: z.string().describe('One line; at most 256 characters.'),
  details: z.string().describe('What the hub or the agent says about it; at most 2,048 characters, may be empty.'),
  path: z.string().describe('Page of the dashboard that shows more, relative to the address of the hub.'),
  startsAt: Time.describe('When it began to fire.'),
  endsAt: Time.nullable().describe('When it was resolved.'),
  silencedBy: z.array(z.string()).describe('Ids of the silences that match it now.'),
  notified: z
    .array(z.object({ receiver: z.string(), time: Time }))
    .describe('Receivers that were notified that it fires, or has ended; with the time of the last notification.'),
});
export type AlertView = z.infer<typeof AlertView>;
/** Page of alerts. */
export const AlertPage = pageOf(AlertView);

/** Numbers of alerts by severity. Silenced ones are counted separately. */
export const AlertCounts = z.object({ critical: Count, warning: Count, info: Count, silenced: Count });
export type AlertCounts = z.infer<typeof AlertCounts>;

const MAX_MATCHERS = 16;

/** Matchers of a silence, as in Alertmanager. */
export const Matchers = z
  .array(z.string().min(1).max(512))
  .min(1)
  .max(MAX_MATCHERS)
  .describe(
    'All must match. Each is a label, an operator and a text: `cluster="berlin"`, `severity!=info`, `name=~"Policy.*|Violations"`. Labels: name, severity, cluster, policy, region, team.',
  );

/** Silence, present, future or ended. */
export const SilenceView = z.object({
  id: z.string().describe('16 hexadecimal digits.'),
  state: z.enum(['pending', 'active', 'ended']),
  matchers: Matchers,
  from: Time,
  until: Time,
  reason: z.string(),
  author: z.string().describe('Display name of its author; not unique.'),
  createdAt: Time,
  alerts: Count.describe('Firing alerts that it matches now.'),
});
export type SilenceView = z.infer<typeof SilenceView>;
/** All silences. */
export const SilenceList = z.object({
  items: z
    .array(SilenceView)
    .describe('Active and pending ones, then those that ended within 7 days; of each the one that ends last first.'),
});
export type SilenceList = z.infer<typeof SilenceList>;

/** Request for a new silence. */
export const SilenceRequest = z.strictObject({
  matchers: Matchers,
  from: Time.optional().describe('Default: now. A later time makes it a maintenance window.'),
  until: Time.describe('At most a year after `from`.'),
  reason: z.string().trim().min(1).max(512).describe('Why, for those who look for the alert.'),
});
export type SilenceRequest = z.input<typeof SilenceRequest>;

/** Kinds of receivers that the alerts file can contain. */
export const RECEIVER_KINDS = ['slack', 'pagerduty', 'alertmanager', 'webhook', 'email'] as const;
/** Kind of a receiver that the alerts file can contain. */
export type ReceiverKind = (typeof RECEIVER_KINDS)[number];

/** Receiver of the alerts file, with its last success and failure. */
export const ReceiverView = z.object({
  name: z.string(),
  kind: z.enum(RECEIVER_KINDS),
  target: z.string().describe('Host that it sends to, or the file with its URL, which is a secret.'),
  lastSuccess: Time.nullable(),
  lastFailure: z
    .object({
      time: Time,
      reason: z.string(),
      permanent: z.boolean().describe('The receiver refused the notification, which is not sent again.'),
    })
    .nullable(),
  waiting: Count.describe('Notifications that are recorded and not sent yet.'),
});
export type ReceiverView = z.infer<typeof ReceiverView>;
/** Receivers of the alerts file, with their last results. */
export const ReceiverList = z.object({ items: z.array(ReceiverView).describe('By name; empty without `FSO_ALERTS_FILE`.') });
export type ReceiverList = z.infer<typeof ReceiverList>;

/** Request to send a test notification. */
export const AlertTestRequest = z.strictObject({ receiver: z.string().min(1).max(63).describe('Name of a receiver.') });

/** Outcome of a test notification. */
export const AlertTestView = z.object({
  receiver: z.string(),
  delivered: z.boolean(),
  answer: z.string().describe('What the receiver answered, or why it could not be reached; without secrets, at most 1,024 characters.'),
  durationMs: z.int(),
});
export type AlertTestView = z.infer<typeof AlertTestView>;
