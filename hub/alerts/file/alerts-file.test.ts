import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { RECEIVER_KINDS } from '@fso/shared/api';
import { expect, it } from 'vitest';
import { createRouting } from '../notify/routing.ts';
import { signWebhook } from '../receivers/webhook.ts';
import { alertsConfig } from '../testing/alerts-files.ts';
import { parseAlertsFile } from './alerts-file.ts';

const RECEIVERS = `receivers:
  - name: oncall
    pagerduty: { routingKeyFile: /run/pagerduty }
  - name: chat
    slack: { urlFile: /run/slack }
`;

const problemsOf = (text: string): readonly string[] => {
  const parsed = parseAlertsFile('alerts.yaml', text);
  return 'problems' in parsed ? parsed.problems : [];
};

it('reports a problem with its place', () => {
  const route = 'route: { receiver: chat }\n';
  expect(problemsOf(RECEIVERS + route)).toEqual([]);
  expect(problemsOf('')).toEqual(['alerts.yaml:1:1: the file is empty']);
  expect(problemsOf(RECEIVERS)).toEqual(['alerts.yaml:1:1: route is required']);
  expect(problemsOf(`${RECEIVERS}route: { receiver: nobody }\n`)).toEqual(['alerts.yaml:6:20: there is no receiver nobody']);
  expect(problemsOf(`${RECEIVERS}${route}rules: { ClusterGone: { for: 1m } }\n`)).toEqual([expect.stringMatching(/^alerts\.yaml:7:10: /)]);
  expect(problemsOf(`${RECEIVERS}${route}rules: { ClusterAway: { for: soon } }\n`)).toEqual([
    expect.stringContaining('must be a number and a unit'),
  ]);
  expect(problemsOf(`${RECEIVERS}route: { receiver: chat, groupwait: 3s }\n`)).toEqual([
    'alerts.yaml:6:26: unknown field route.groupwait, did you mean groupWait?',
  ]);
  expect(problemsOf(`${RECEIVERS}route: { receiver: chat, routes: [{ matchers: ['colour=red'] }] }\n`)).toEqual([
    expect.stringContaining('label must be one of name, severity'),
  ]);
  expect(problemsOf(`${RECEIVERS}  - name: chat\n    webhook: { url: "https://u:p@example.com", secretFile: /x }\n${route}`)).toEqual([
    expect.stringContaining('without a user and a password'),
  ]);
  expect(problemsOf(`${RECEIVERS}  - name: chat\n    slack: { urlFile: /x }\n${route}`)).toEqual([
    expect.stringContaining('receivers[2].name is there twice: chat'),
  ]);
  expect(problemsOf(`${RECEIVERS}  - name: both\n    slack: { urlFile: /x }\n    pagerduty: { routingKeyFile: /x }\n${route}`)).toEqual([
    expect.stringContaining('must have one of slack, pagerduty, alertmanager, webhook, email'),
  ]);
  expect(
    problemsOf(
      `${RECEIVERS}  - name: mail\n    email: { host: smtp, from: "a@b.example\\nBcc: c@d.example", to: [a@b.example] }\n${route}`,
    ),
  ).toHaveLength(1);
});

it('routes as Alertmanager does: to the first matching child, to more where it continues, to itself without one; children inherit', () => {
  const { route } = alertsConfig(`${RECEIVERS}route:
  receiver: chat
  groupBy: [name, cluster]
  routes:
    - { matchers: ['severity=critical'], receiver: oncall, groupWait: 0s, continue: true }
    - matchers: ['team=~"pay.*"']
      groupBy: [team]
      routes:
        - { matchers: ['cluster=eu'], repeatInterval: 7d }
`);
  const routing = createRouting({ route });
  const found = (labels: Parameters<typeof routing>[0]) =>
    routing(labels).map(({ route: { id, receiver }, labels: group }) => [id, receiver, group]);
  expect(found({ name: 'ClusterAway', severity: 'warning', cluster: 'eu' })).toEqual([
    ['', 'chat', { name: 'ClusterAway', cluster: 'eu' }],
  ]);
  expect(found({ name: 'Violations', severity: 'critical', cluster: 'eu', team: 'payments' })).toEqual([
    ['/{severity=critical}', 'oncall', { name: 'Violations', cluster: 'eu' }],
    ['/{team=~"pay.*"}/{cluster=eu}', 'chat', { team: 'payments' }],
  ]);
  const [place] = routing({ name: 'Violations', severity: 'warning', cluster: 'eu', team: 'pay' });
  expect(place?.route).toMatchObject({ groupWaitMs: 30_000, groupIntervalMs: 300_000, repeatIntervalMs: 7 * 86_400_000 });
  const keys = [routing({ team: 'pay', cluster: 'us' }), routing({ team: 'pays', cluster: 'us' }), routing({ cluster: 'us' })];
  expect(new Set(keys.map(([one]) => one?.key)).size).toBe(3);
});

const PAGE = readFileSync(join(import.meta.dirname, '../../../docs/operate/alerts.md'), 'utf8');
const blockOf = (language: string): string => new RegExp(`\`\`\`${language}\\n(.*?)\`\`\``, 's').exec(PAGE)?.[1] ?? '';

it('accepts the file in docs/operate/alerts.md', () => {
  const { receivers } = alertsConfig(blockOf('yaml'));
  expect(receivers.flatMap((receiver) => RECEIVER_KINDS.filter((kind) => receiver[kind] !== undefined))).toEqual([...RECEIVER_KINDS]);
});

it('signs webhooks as the code in docs/operate/alerts.md checks', async () => {
  const { isFromHub } = (await import(`data:text/javascript,${encodeURIComponent(blockOf('js'))}`)) as {
    isFromHub: (secret: string, headers: Record<string, string>, body: Buffer, nowSeconds: number) => boolean;
  };
  const headers = { 'x-fso-timestamp': '1000', 'x-fso-signature': `sha256=${signWebhook('secret', '1000', '{"a":1}')}` };
  expect(isFromHub('secret', headers, Buffer.from('{"a":1}'), 1_010)).toBe(true);
  expect(isFromHub('secret', headers, Buffer.from('{"a":2}'), 1_010)).toBe(false);
  expect(isFromHub('another', headers, Buffer.from('{"a":1}'), 1_010)).toBe(false);
  expect(isFromHub('secret', headers, Buffer.from('{"a":1}'), 2_000)).toBe(false);
  expect(isFromHub('secret', {}, Buffer.from('{"a":1}'), 1_010)).toBe(false);
});
