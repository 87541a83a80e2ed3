import { createHmac } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { MAX_PAGERDUTY_BYTES, PagerDutyEvent, SlackMessage } from '../../../test/harness/alert-payloads.ts';
import { startMailServer } from '../../../test/harness/mail-server.ts';
import type { ReceiverSettings } from '../file/alerts-file.ts';
import { openReceiver } from '../notify/setup.ts';
import { alertsConfig, openAlertsFolder } from '../testing/alerts-files.ts';
import { startReceiverServer } from '../testing/receiver-server.ts';
import { formatEmail, messageIdOf } from './email.ts';
import { formatPagerDuty } from './pagerduty.ts';
import type { Notification, NotifiedAlert } from './receiver.ts';
import { formatSlack } from './slack.ts';
import { formatWebhook } from './webhook.ts';

const NEVER = new AbortController().signal;
const HOSTILE = `<!channel> & <https://evil.example|x> "'\r\nBcc: all@example.com\u0000 </pre><script>`;

const alert = (change: Partial<NotifiedAlert> = {}): NotifiedAlert => ({
  fingerprint: '0123456789abcdef',
  name: 'Violations',
  severity: 'critical',
  labels: { cluster: 'eu-1', policy: 'finance' },
  summary: 'Violations: policy finance in cluster eu-1',
  details: 'three',
  startsAt: 0,
  endsAt: null,
  status: 'firing',
  isNew: true,
  url: 'https://fso.example.com/clusters/eu-1',
  ...change,
});
const notification = (alerts: readonly NotifiedAlert[], status: 'firing' | 'resolved' = 'firing'): Notification => ({
  key: 'key-1',
  groupKey: 'group-1',
  groupLabels: { name: 'Violations' },
  status,
  alerts,
  createdAt: 0,
  hubUrl: 'https://fso.example.com',
});

/** A notification whose fields are as long and as hostile as possible. */
const worst = (count: number): Notification =>
  notification(
    Array.from({ length: count }, () =>
      alert({
        summary: HOSTILE.repeat(10).slice(0, 256),
        details: HOSTILE.repeat(100).slice(0, 2_048),
        labels: { cluster: 'c'.repeat(253), policy: '&'.repeat(317), team: '<'.repeat(63), region: HOSTILE },
        url: `https://fso.example.com/${'%26'.repeat(400)}`,
      }),
    ),
  );

describe('notifications', () => {
  it.each([1, 2, 10, 1_000])('are within the limits of Slack and PagerDuty for %i alerts of the worst kind', (count) => {
    SlackMessage.parse(formatSlack(worst(count)));
    const event = formatPagerDuty(worst(count), 'k'.repeat(32));
    PagerDutyEvent.parse(event);
    expect(Buffer.byteLength(JSON.stringify(event))).toBeLessThan(MAX_PAGERDUTY_BYTES);
    expect(JSON.stringify(formatSlack(worst(count))).includes('more')).toBe(count > 10);
  });

  it('carry no markup and no header of a cluster into a mail', () => {
    const { subject, text, html } = formatEmail(worst(1));
    // biome-ignore lint/suspicious/noControlCharactersInRegex: no control character may be there.
    expect(subject).not.toMatch(/[\u0000-\u001f]/);
    expect(html).not.toContain('<script>');
    expect(html).not.toContain('<!channel>');
    expect(text).toContain('<!channel>');
    expect(messageIdOf(worst(1), 'fso@example.com')).toBe('<key-1@example.com>');
  });

  it('name a bounded number of alerts to people, and count the others', () => {
    const many = notification(Array.from({ length: 67 }, () => alert()));
    expect(formatEmail(many).text).toContain('and 57 more');
    expect(formatEmail(many).subject).toBe('[FIRING] Violations (67 firing)');
    expect(JSON.stringify(formatPagerDuty(many, 'k'))).toContain('and 57 more');
    const body = formatWebhook(notification(Array.from({ length: 501 }, () => alert())), 'hook') as {
      alerts: unknown[];
      truncatedAlerts: number;
    };
    expect([body.alerts.length, body.truncatedAlerts]).toEqual([500, 1]);
  });
});

const open = async () => {
  const folder = await openAlertsFolder();
  const server = await startReceiverServer();
  return {
    server,
    receiver: async (kind: (file: string) => string, secret = 'very-secret') => {
      const file = await folder.secret('secret', secret);
      const text = `receivers: [{name: it, ${kind(file)}}]\nroute: {receiver: it}\n`;
      return openReceiver(alertsConfig(text).receivers[0] as ReceiverSettings);
    },
    [Symbol.asyncDispose]: async () => {
      await server[Symbol.asyncDispose]();
      await folder[Symbol.asyncDispose]();
    },
  };
};

describe('a receiver over HTTP', () => {
  it('gets a signed body under its key, and each time the secret that the file has by then', async () => {
    await using opened = await open();
    const { server } = opened;
    const hook = await opened.receiver((file) => `webhook: {url: "${server.url}/in", secretFile: ${file}}`);
    expect(await hook.send(notification([alert()]), NEVER)).toEqual({ kind: 'delivered', answer: 'HTTP 200: ok' });
    const [request] = server.received;
    const signature = createHmac('sha256', 'very-secret').update(`${request?.headers['x-fso-timestamp']}.${request?.body}`).digest('hex');
    expect(request?.headers).toMatchObject({ 'idempotency-key': 'key-1', 'x-fso-signature': `sha256=${signature}` });
  });

  it.each([
    [
      { status: 400, body: 'no very-secret here' },
      { kind: 'refused', reason: 'HTTP 400: no … here' },
    ],
    [{ status: 413 }, { kind: 'refused', reason: 'HTTP 413' }],
    // A secret that was replaced, or a path that is being moved.
    [{ status: 401 }, { kind: 'failed', reason: 'HTTP 401' }],
    [{ status: 404 }, { kind: 'failed', reason: 'HTTP 404' }],
    [
      { status: 302, headers: { location: 'http://127.0.0.1:1/' } },
      { kind: 'failed', reason: expect.stringContaining('redirects are not followed') },
    ],
    [
      { status: 500, body: 'x\u0000y' },
      { kind: 'failed', reason: 'HTTP 500: x y' },
    ],
    [
      { status: 429, headers: { 'retry-after': '7' } },
      { kind: 'failed', reason: 'HTTP 429', afterMs: 7_000 },
    ],
    [
      { status: 503, headers: { 'retry-after': '999999' } },
      { kind: 'failed', reason: 'HTTP 503', afterMs: 3_600_000 },
    ],
  ])('records the outcome of an answer %o', async (answer, outcome) => {
    await using opened = await open();
    const { server } = opened;
    server.answer = () => answer;
    const hook = await opened.receiver((file) => `webhook: {url: "${server.url}", secretFile: ${file}}`);
    expect(await hook.send(notification([alert()]), NEVER)).toEqual(outcome);
    expect(server.received).toHaveLength(1);
  });

  it('is read for a moment only when its response never ends', async () => {
    await using opened = await open();
    const { server } = opened;
    server.answer = () => ({ status: 200, body: 'x'.repeat(5_000_000) });
    const slack = await opened.receiver((file) => `slack: {urlFile: ${file}}`);
    expect(await slack.send(notification([alert()]), NEVER)).toMatchObject({
      kind: 'failed',
      reason: expect.not.stringContaining('very-secret'),
    });
    const alertmanager = await opened.receiver(() => `alertmanager: {url: "${server.url}/am/"}`);
    const outcome = await alertmanager.send(notification([alert()]), NEVER);
    expect(outcome).toMatchObject({ kind: 'delivered', answer: expect.stringMatching(/^HTTP 200: x{1024}$/) });
    expect(server.received.map(({ path }) => path)).toEqual(['/am/api/v2/alerts']);
  });

  it('is retried when it is unreachable or its secret is missing', async () => {
    await using opened = await open();
    const dead = await opened.receiver((file) => `webhook: {url: "http://127.0.0.1:1/", secretFile: ${file}}`);
    expect(await dead.send(notification([alert()]), NEVER)).toMatchObject({ kind: 'failed' });
    const without = await opened.receiver((file) => `pagerduty: {routingKeyFile: ${file}-gone, url: "${opened.server.url}"}`);
    expect(await without.send(notification([alert()]), NEVER)).toMatchObject({ kind: 'failed', reason: expect.stringContaining('ENOENT') });
  });

  it('never shows a secret in a reason, with any response and any file', async () => {
    await using opened = await open();
    const { server } = opened;
    const path = '/services/T0123456/B0123456/abcdefghijklmnop';
    server.answer = ({ path: asked }) => ({ status: 404, body: `no ${asked}, and no abcdefghij\u0000klmnop` });
    const slack = await opened.receiver((file) => `slack: {urlFile: ${file}}`, `${server.url}${path}`);
    expect(await slack.send(notification([alert()]), NEVER)).toMatchObject({ reason: expect.stringMatching(/^HTTP 404: no …/) });
    const token = await opened.receiver(
      (file) => `alertmanager: {url: "${server.url}", bearerTokenFile: ${file}}`,
      'first-line\nsecond-line',
    );
    expect(await token.send(notification([alert()]), NEVER)).toMatchObject({
      kind: 'failed',
      reason: expect.not.stringMatching(/first-line|second-line/),
    });
    expect(server.received).toHaveLength(1);
  });
});

describe('Alertmanager', () => {
  it('gets all alerts except those that it refuses', async () => {
    await using opened = await open();
    const { server } = opened;
    server.answer = ({ body }) => (body.includes('bad') ? { status: 400, body: 'bad' } : { status: 200 });
    const receiver = await opened.receiver(() => `alertmanager: {url: "${server.url}"}`);
    const clusters = Array.from({ length: 1_200 }, (_, at) => (at === 3 ? 'bad' : `c${at}`));
    const alerts = clusters.map((cluster) => alert({ labels: { cluster }, details: 'x'.repeat(1_000) }));
    expect(await receiver.send(notification(alerts), NEVER)).toEqual({ kind: 'refused', reason: 'HTTP 400: bad' });
    const taken = server.received.filter(({ body }) => !body.includes('bad')).flatMap(({ body }) => JSON.parse(body) as unknown[]);
    expect(taken).toHaveLength(1_199);
    expect(Math.max(...server.received.map(({ body }) => body.length))).toBeLessThan(600_000);
  });

  it('gets no end before the start, with any clocks', async () => {
    await using opened = await open();
    const { server } = opened;
    const receiver = await opened.receiver(() => `alertmanager: {url: "${server.url}"}`);
    const startsAt = Date.parse('2999-01-01T00:00:00Z');
    await receiver.send(notification([alert({ startsAt }), alert({ startsAt, endsAt: startsAt - 1, status: 'resolved' })]), NEVER);
    const sent = JSON.parse(server.received[0]?.body ?? '[]') as { startsAt: string; endsAt: string }[];
    expect(sent.map((one) => one.endsAt >= one.startsAt)).toEqual([true, true]);
  });
});

describe('a mail server', () => {
  it.each([
    [{ 'b@example.com': 450 }, 'failed'],
    [{ 'b@example.com': 550 }, 'refused'],
    [{ 'a@example.com': 451, 'b@example.com': 550 }, 'failed'],
    [{}, 'delivered'],
  ] as const)('records the outcome of a refusal of %o: %s', async (refusals, kind) => {
    await using opened = await open();
    const mail = await startMailServer({ username: 'fso', password: 'very-secret', refusals });
    const receiver = await opened.receiver(
      (file) =>
        `email: {host: 127.0.0.1, port: ${mail.port}, tls: none, from: fso@example.com, to: [a@example.com, b@example.com], username: fso, passwordFile: ${file}}`,
    );
    const outcome = await receiver.send(notification([alert()]), NEVER);
    await mail.stop();
    expect(outcome).toMatchObject({ kind });
  });
});
