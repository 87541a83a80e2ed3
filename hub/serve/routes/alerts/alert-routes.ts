import {
  ALERT_SEVERITIES,
  ALERT_STATES,
  AlertNameView,
  AlertPage,
  AlertSeverityView,
  AlertState,
  AlertTestRequest,
  AlertTestView,
  type AlertView,
  ReceiverList,
  ResourceName,
} from '@fso/shared/api';
import { z } from 'zod';
import type { Alerts } from '../../../alerts/index.ts';
import { listPage, type Orders, sortParameter } from '../../http/paging.ts';
import { includesText, matches, PolicyKeyParameter, paging, Search } from '../../http/parameters.ts';
import { notFound } from '../../http/problems.ts';
import { GLOBAL_READ, type HubScope, jsonRoute, type Route, SCOPED_LIST } from '../../http/route.ts';

/** Dependencies of alert routes. */
export interface AlertDeps {
  readonly alerts: Pick<Alerts, 'compareWithSilences'> & {
    readonly list: () => readonly AlertView[] | Promise<readonly AlertView[]>;
  };
}

interface ReceiverDeps {
  readonly alerts: Pick<Alerts, 'receivers' | 'test'>;
}

const AlertQuery = z.strictObject({
  fingerprint: z
    .string()
    .regex(/^[0-9a-f]{16}$/, 'must be the fingerprint of an alert: 16 characters, 0-9 and a-f')
    .optional(),
  state: AlertState.optional(),
  name: AlertNameView.optional(),
  severity: AlertSeverityView.optional(),
  cluster: ResourceName.optional(),
  policy: PolicyKeyParameter,
  team: z.string().min(1).max(63).optional(),
  q: Search.describe('Part of the summary, the details or a label, upper and lower case alike.'),
  sort: sortParameter(['state', 'severity', 'started', 'name', 'cluster']),
  ...paging,
});
type AlertQuery = z.output<typeof AlertQuery>;

const rank = ({ state, severity }: AlertView): number =>
  ALERT_STATES.indexOf(state) * ALERT_SEVERITIES.length + ALERT_SEVERITIES.indexOf(severity);

const alertOrders: Orders<AlertView, 'state' | 'severity' | 'started' | 'name' | 'cluster'> = {
  keyOf: ({ fingerprint }) => fingerprint,
  by: {
    state: rank,
    severity: ({ severity }) => ALERT_SEVERITIES.indexOf(severity),
    started: ({ startsAt }) => Date.parse(startsAt),
    name: ({ name }) => name,
    cluster: ({ labels }) => labels.cluster ?? '',
  },
};

const matchesAlert = (alert: AlertView, { fingerprint, state, name, severity, cluster, policy, team, q }: AlertQuery): boolean =>
  matches(fingerprint, alert.fingerprint) &&
  matches(state, alert.state) &&
  matches(name, alert.name) &&
  matches(severity, alert.severity) &&
  matches(cluster, alert.labels.cluster) &&
  matches(policy, alert.labels.policy) &&
  matches(team, alert.labels.team) &&
  [alert.summary, alert.details, alert.name, ...Object.values(alert.labels)].some((text) => text !== undefined && includesText(text, q));

/** Routes of the alerts of the fleet. */
export const alertRoutes: readonly Route<AlertDeps, 'scoped'>[] = [
  jsonRoute(
    {
      ...SCOPED_LIST,
      path: '/api/v1/alerts',
      operationId: 'listAlerts',
      summary: 'Alerts that fire, are silenced, or were resolved within a day',
      tag: 'alerts',
      query: AlertQuery,
    },
    {
      schema: AlertPage,
      description: 'A page; firing ones first unless `sort` says otherwise, the most severe before the others, then by fingerprint.',
    },
    async ({ alerts }, { query, ...input }) => {
      await alerts.compareWithSilences();
      const matches = (alert: AlertView): boolean => matchesAlert(alert, query);
      return listPage(await alerts.list(), { matches, orders: alertOrders, query }, input);
    },
  ),
];

/** Routes of the receivers of notifications. */
export const receiverRoutes: readonly Route<ReceiverDeps, HubScope>[] = [
  jsonRoute(
    {
      ...GLOBAL_READ,
      path: '/api/v1/alerts/receivers',
      operationId: 'listReceivers',
      summary: 'Receivers of notifications, and how the last ones went',
      tag: 'alerts',
    },
    { schema: ReceiverList, description: 'All that the alerts file names, without their secrets.' },
    async ({ alerts }) => ({ items: [...alerts.receivers()] }),
  ),
  jsonRoute(
    {
      method: 'post',
      path: '/api/v1/alerts/test',
      operationId: 'testReceiver',
      summary: 'Sends a test notification to a receiver',
      description: 'The hub that is called sends it at once, and again as resolved where the receiver would keep it.',
      tag: 'alerts',
      access: 'operator',
      scope: 'global',
      body: AlertTestRequest,
      problems: ['not-found'],
    },
    { schema: AlertTestView, description: 'What the receiver answered; it may be that it could not be reached.' },
    async ({ alerts }, { body, caller, signal }) => {
      caller.about(body.receiver);
      const result = (await alerts.test(body.receiver, signal)) ?? notFound(`receiver ${body.receiver}`);
      caller.about(body.receiver, result.delivered ? 'delivered' : 'not delivered');
      return result;
    },
  ),
];
