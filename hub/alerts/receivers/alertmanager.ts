import type { ReceiverSettings } from '../file/alerts-file.ts';
import { labelSetOf } from '../matchers.ts';
import { attempt, postJson, readSecret } from './http.ts';
import { timeText } from './notification-text.ts';
import type { Notification, NotifiedAlert, Outcome } from './receiver.ts';

type Settings = NonNullable<ReceiverSettings['alertmanager']>;

/** Largest number of alerts in one request to Alertmanager. */
export const ALERTMANAGER_BATCH = 500;
/** Most bytes of one request, as proxies may refuse more than a megabyte. */
const MAX_BATCH_BYTES = 512 * 1024;
/** Interval at which all firing alerts are sent again, as Prometheus does. */
export const RESEND_MS = 60_000;
/**
 * Time after which Alertmanager resolves an alert that is not sent again: four intervals, as in
 * Prometheus.
 */
const VALID_MS = 4 * RESEND_MS;

/** Formats an alert for `POST /api/v2/alerts`, which takes its name as the label `alertname`. */
export const formatAlertmanager = ({ url, details, summary, startsAt, endsAt, status, ...alert }: NotifiedAlert, nowMs: number): object => {
  const { name, ...labels } = labelSetOf(alert);
  return {
    labels: { alertname: name, ...labels, source: 'fso' },
    annotations: { summary, description: details },
    startsAt: timeText(startsAt),
    // An end before the start is refused, and one in the future would not be an end.
    endsAt: timeText(Math.max(startsAt, status === 'resolved' && endsAt !== null ? Math.min(endsAt, nowMs) : nowMs + VALID_MS)),
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

/** URL to which alerts are posted, below that of Alertmanager, which may have a path. */
export const alertsUrl = (url: string): string => `${url.replace(/\/+$/, '')}/api/v2/alerts`;

/** Splits alerts into requests within the limits. */
const batchesOf = (alerts: readonly string[]): string[][] => {
  const batches: string[][] = [];
  let bytes = 0;
  for (const alert of alerts) {
    const size = Buffer.byteLength(alert) + 1;
    const last = batches.at(-1);
    if (last === undefined || last.length >= ALERTMANAGER_BATCH || bytes + size > MAX_BATCH_BYTES) {
      batches.push([alert]);
      bytes = size;
    } else {
      last.push(alert);
      bytes += size;
    }
  }
  return batches;
};

type Post = (alerts: readonly string[]) => Promise<Outcome>;

/**
 * Sends alerts. Alertmanager refuses a request as a whole for one bad alert, so a refused request
 * is halved down to that alert, and the others arrive.
 */
const sendHalves = async (alerts: readonly string[], post: Post): Promise<Outcome> => {
  const outcome = await post(alerts);
  if (outcome.kind !== 'refused' || alerts.length === 1) return outcome;
  const middle = Math.ceil(alerts.length / 2);
  return sendEach([alerts.slice(0, middle), alerts.slice(middle)], post);
};

/**
 * Sends one request after the other. Stops at one that failed, as all are sent again then.
 *
 * @returns the worst outcome
 */
const sendEach = async (batches: readonly (readonly string[])[], post: Post): Promise<Outcome> => {
  let worst: Outcome = { kind: 'delivered', answer: '' };
  for (const batch of batches) {
    const outcome = await sendHalves(batch, post);
    if (outcome.kind === 'failed') return outcome;
    if (outcome.kind === 'refused' || worst.kind === 'delivered') worst = outcome;
  }
  return worst;
};

/** Sends alerts, some hundreds in a request. Sending twice has the effect of sending once. */
export const sendAlertmanager = (settings: Settings, { alerts }: Notification, signal: AbortSignal): Promise<Outcome> =>
  attempt(async () => {
    const { headers, secrets } = await authorizationOf(settings);
    const nowMs = Date.now();
    const url = alertsUrl(settings.url);
    const texts = alerts.map((alert) => JSON.stringify(formatAlertmanager(alert, nowMs)));
    return sendEach(batchesOf(texts), (batch) => postJson({ url, headers, body: `[${batch.join(',')}]`, secrets }, signal));
  });
