import { createHmac } from 'node:crypto';
import { type AlertsFolder, openAlertsFolder } from '../../hub/alerts/testing/alerts-files.ts';
import { type ReceiverServer, startReceiverServer } from '../../hub/alerts/testing/receiver-server.ts';
import { MAX_PAGERDUTY_BYTES, PagerDutyEvent, SlackMessage } from './alert-payloads.ts';
import { startAlertmanager, type TestAlertmanager } from './alertmanager.ts';
import { startMailServer, type TestMailServer } from './mail-server.ts';

const HMAC_SECRET = 'secret-of-the-webhook-0123456789';
const ROUTING_KEY = '0123456789abcdef0123456789abcdef';
const PASSWORD = 'secret-of-the-mail-server';

/** Notification in a form common to all receivers. */
export interface Delivery {
  readonly key: string;
  readonly status: 'firing' | 'resolved';
  /** Whole text, to search for names. */
  readonly text: string;
}

export interface WebhookBody {
  readonly key: string;
  readonly groupKey: string;
  readonly status: 'firing' | 'resolved';
  readonly alerts: readonly {
    readonly fingerprint: string;
    readonly name: string;
    readonly status: string;
    readonly labels: Readonly<Record<string, string>>;
    readonly summary: string;
    readonly details: string;
    readonly startsAt: string;
    readonly endsAt: string | null;
  }[];
  readonly truncatedAlerts: number;
}

/**
 * Verifies a webhook as described in docs/operate/alerts.md.
 *
 * @throws Error if the hub did not sign the body
 */
const verifyWebhook = ({ headers, body }: ReceiverServer['received'][number]): WebhookBody => {
  const expected = createHmac('sha256', HMAC_SECRET)
    .update(`${String(headers['x-fso-timestamp'])}.${body}`)
    .digest('hex');
  if (headers['x-fso-signature'] !== `sha256=${expected}`) throw new Error('the signature is not that of the body');
  const parsed = JSON.parse(body) as WebhookBody;
  if (headers['idempotency-key'] !== parsed.key) throw new Error('the key of the header is not that of the body');
  return parsed;
};

const slackDelivery = ({ body }: ReceiverServer['received'][number]): Delivery => {
  const message = SlackMessage.parse(JSON.parse(body));
  const footer = message.blocks.at(-1);
  const key = footer?.type === 'context' ? (footer.elements[0]?.text.split(' · ')[1] ?? '') : '';
  return { key, status: message.text.startsWith('[FIRING]') ? 'firing' : 'resolved', text: body };
};

const pagerDutyDelivery = ({ body }: ReceiverServer['received'][number]): Delivery => {
  if (Buffer.byteLength(body) > MAX_PAGERDUTY_BYTES) throw new Error('the event is too large');
  const { event_action: action, payload } = PagerDutyEvent.parse(JSON.parse(body));
  return { key: payload.custom_details.key, status: action === 'trigger' ? 'firing' : 'resolved', text: body };
};

/**
 * Receivers of each kind: real programs, and servers that validate payloads against the
 * documentation of the services that they replace.
 */
export interface AlertReceivers extends AsyncDisposable {
  readonly alertmanager: TestAlertmanager;
  readonly mail: TestMailServer;
  readonly slack: ReceiverServer;
  readonly pagerduty: ReceiverServer;
  readonly webhook: ReceiverServer;
  readonly folder: AlertsFolder;
  /** Text for `receivers` of an alerts file: slack, pagerduty, alertmanager, webhook and mail. */
  readonly yaml: string;
  /**
   * Returns the notifications that each kind but Alertmanager received, in order.
   *
   * @throws Error for a notification that the real receiver would refuse
   */
  deliveries(): Readonly<Record<'slack' | 'pagerduty' | 'webhook' | 'mail', readonly Delivery[]>>;
  webhookBodies(): readonly WebhookBody[];
}

export const startAlertReceivers = async (signal: AbortSignal): Promise<AlertReceivers> => {
  const folder = await openAlertsFolder();
  const [slack, pagerduty, webhook] = [await startReceiverServer(), await startReceiverServer(), await startReceiverServer()];
  pagerduty.answer = () => ({ status: 202, body: '{"status":"success"}' });
  const mail = await startMailServer({ username: 'hub', password: PASSWORD });
  const alertmanager = await startAlertmanager(signal);
  const yaml = `receivers:
  - name: slack
    slack: {urlFile: ${await folder.secret('slack', `${slack.url}/services/T0/B0/token`)}}
  - name: pagerduty
    pagerduty: {routingKeyFile: ${await folder.secret('pagerduty', ROUTING_KEY)}, url: "${pagerduty.url}/v2/enqueue"}
  - name: alertmanager
    alertmanager: {url: "${alertmanager.url}"}
  - name: webhook
    webhook: {url: "${webhook.url}/in", secretFile: ${await folder.secret('hmac', HMAC_SECRET)}}
  - name: mail
    email:
      host: 127.0.0.1
      port: ${mail.port}
      tls: none
      from: fso@example.com
      to: [ops@example.com]
      username: hub
      passwordFile: ${await folder.secret('mail', PASSWORD)}
`;
  const webhookBodies = (): readonly WebhookBody[] => webhook.received.map(verifyWebhook);
  return {
    alertmanager,
    mail,
    slack,
    pagerduty,
    webhook,
    folder,
    yaml,
    webhookBodies,
    deliveries: () => ({
      slack: slack.received.map(slackDelivery),
      pagerduty: pagerduty.received.map(pagerDutyDelivery),
      webhook: webhookBodies().map(({ key, status, ...rest }) => ({ key, status, text: JSON.stringify(rest) })),
      mail: mail.mails.map(({ headers, raw }) => ({
        key: headers.get('message-id')?.[0] ?? '',
        status: headers.get('subject')?.[0]?.startsWith('[FIRING]') === true ? 'firing' : 'resolved',
        text: `${headers.get('subject')?.[0]}\n${raw}`,
      })),
    }),
    [Symbol.asyncDispose]: async () => {
      await alertmanager.stop();
      await mail.stop();
      for (const server of [slack, pagerduty, webhook, folder]) await server[Symbol.asyncDispose]();
    },
  };
};
