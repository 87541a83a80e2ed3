import type { ReceiverSettings } from '../file/alerts-file.ts';
import { labelSetOf } from '../matchers.ts';
import { attempt, postJson, readSecret } from './http.ts';
import { timeText } from './notification-text.ts';
import type { Notification, NotifiedAlert, Outcome } from './receiver.ts';

type Settings = NonNullable<ReceiverSettings['alertmanager']>;

/** Largest number of alerts in one request to Alertmanager. */
export const ALERTMANAGER_BATCH = 500;
/** Proxies take a megabyte. */
const MAX_BATCH_BYTES = 512 * 1024;
/** Interval at which all firing alerts are sent again, as Prometheus does. */
export const RESEND_MS = 60_000;
/**
 * Alertmanager takes an alert that is not sent again as resolved after this time: four sendings, as
 * Prometheus has it.
 */
const VALID_MS = 4 * RESEND_MS;

/** An alert as `POST /api/v2/alerts` takes it; the name of an alert is its label `alertname`. */
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

/** Alerts of one request each, as many as it has room for. */
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
 * Alertmanager refuses all for one that it does not take: halves, down to that one, let the others
 * arrive.
 */
const sendHalves = async (alerts: readonly string[], post: Post): Promise<Outcome> => {
  const outcome = await post(alerts);
  if (outcome.kind !== 'refused' || alerts.length === 1) return outcome;
  const middle = Math.ceil(alerts.length / 2);
  return sendEach([alerts.slice(0, middle), alerts.slice(middle)], post);
};

/**
 * @returns the worst outcome; what failed is sent again with all others, so nothing more is sent
 * then
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

/** Sends alerts, some hundreds at a time; the same twice is the same as once. */
export const sendAlertmanager = (settings: Settings, { alerts }: Notification, signal: AbortSignal): Promise<Outcome> =>
  attempt(async () => {
    const { headers, secrets } = await authorizationOf(settings);
    const nowMs = Date.now();
    const url = alertsUrl(settings.url);
    const texts = alerts.map((alert) => JSON.stringify(formatAlertmanager(alert, nowMs)));
    return sendEach(batchesOf(texts), (batch) => postJson({ url, headers, body: `[${batch.join(',')}]`, secrets }, signal));
  });
