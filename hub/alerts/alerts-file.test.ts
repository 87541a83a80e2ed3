import { expect, it } from 'vitest';
import { parseAlertsFile } from './alerts-file.ts';
import { createRouting } from './notify/routing.ts';
import { alertsConfig } from './testing/alerts-files.ts';

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

it('says where and what is wrong', () => {
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

it('routes as Alertmanager does: the first child that matches, more where one goes on, itself where none does; children inherit', () => {
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
