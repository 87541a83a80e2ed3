import type { ReceiverSettings } from '../alerts-file.ts';
import { labelSetOf } from '../matchers.ts';
import { attempt, postJson, readSecret } from './http.ts';
import { timeText } from './notification-text.ts';
import type { Notification, NotifiedAlert, Outcome } from './receiver.ts';

type Settings = NonNullable<ReceiverSettings['alertmanager']>;

/** Alerts of one request. */
const BATCH = 500;
/** How often all that fire are sent again, as Prometheus does. */
export const RESEND_MS = 60_000;
/** Alertmanager takes an alert that is not sent again as resolved after this time: four sendings, as Prometheus has it. */
const VALID_MS = 4 * RESEND_MS;

/** An alert as `POST /api/v2/alerts` takes it; the name of an alert is its label `alertname`. */
export const formatAlertmanager = ({ url, details, summary, startsAt, endsAt, status, ...alert }: NotifiedAlert, nowMs: number): object => {
  const { name, ...labels } = labelSetOf(alert);
  return {
    labels: { alertname: name, ...labels, source: 'fso' },
    annotations: { summary, description: details },
    startsAt: timeText(startsAt),
    endsAt: timeText(status === 'resolved' && endsAt !== null ? endsAt : nowMs + VALID_MS),
    ...(/^https?:\/\//.test(url) ? { generatorURL: url } : {}),
  };
};

const authorizationOf = async ({
  bearerTokenFile,
  basicAuth,
}: Settings): Promise<{ secrets: string[]; headers: Record<string, string> }> => {
  if (bearerTokenFile !== undefined) {
    const token = await readSecret(bearerTokenFile);
    return { secrets: [token], headers: { authorization: `Bearer ${token}` } };
  }
  if (basicAuth === undefined) return { secrets: [], headers: {} };
  const password = await readSecret(basicAuth.passwordFile);
  const pair = Buffer.from(`${basicAuth.username}:${password}`).toString('base64');
  return { secrets: [password, pair], headers: { authorization: `Basic ${pair}` } };
};

/** Where alerts are posted, below the address of Alertmanager, which may have a path. */
export const alertsUrl = (url: string): string => `${url.replace(/\/+$/, '')}/api/v2/alerts`;

/** Sends alerts, some hundreds at a time; the same twice is the same as once. */
export const sendAlertmanager = (settings: Settings, { alerts }: Notification, signal: AbortSignal): Promise<Outcome> =>
  attempt(async () => {
    const { headers, secrets } = await authorizationOf(settings);
    const nowMs = Date.now();
    let outcome: Outcome = { kind: 'delivered', answer: '' };
    for (let at = 0; at < alerts.length && outcome.kind === 'delivered'; at += BATCH) {
      const body = JSON.stringify(alerts.slice(at, at + BATCH).map((alert) => formatAlertmanager(alert, nowMs)));
      outcome = await postJson({ url: alertsUrl(settings.url), headers, body, secrets }, signal);
    }
    return outcome;
  });
