import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { PolicyReport } from '@fso/shared/api';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openGitRepository } from '../../clusters/demo/git-repository.ts';
import { startGitServer } from '../../clusters/demo/git-server.ts';
import { type AlertReceivers, type Delivery, startAlertReceivers } from '../harness/alert-receivers.ts';
import { createHubProcess, type HubProcess } from '../harness/hub-process.ts';
import { clusterFile, policyFile } from '../harness/policy-files.ts';
import { policyReport } from '../harness/policy-reports.ts';
import { startPostgres } from '../harness/postgres.ts';
import { createRandom } from '../harness/random.ts';
import { ReportingCluster } from '../harness/reporting-cluster.ts';
import { eventually, HANG_MS, never } from '../harness/waiting.ts';

const API_TOKEN = 'static-token-0123456789';
const CLUSTERS = ['eu-1', 'eu-2', 'us-1', 'us-2', 'ap-1', 'ap-2'];
const KINDS = ['slack', 'pagerduty', 'webhook', 'mail'] as const;
/** Number of times that hubs with each database are killed. */
const KILLS = { embedded: 20, postgres: 5 } as const;
const SEED = 44;

/**
 * Every receiver gets everything; a cluster is a group, and nothing waits for longer than a moment.
 */
const ROUTES = `route:
  receiver: alertmanager
  groupBy: [cluster]
  groupWait: 0s
  groupInterval: 1s
  routes:
${['slack', 'pagerduty', 'webhook', 'mail', 'alertmanager'].map((name) => `    - {receiver: ${name}, matchers: ['name="Violations"'], continue: true}\n`).join('')}rules:
  Violations: {for: 0s}
`;

/** Text of a cluster that tries to harm the readers of its alerts. */
const HOSTILE = '<!channel> <https://evil.example|click> & "quoted"\r\nBcc: all@example.com\r\n\r\n<script>alert(1)</script>';

const reportOf = (violating: boolean): PolicyReport[] => [
  policyReport(
    'finance',
    violating
      ? {
          violations: 3,
          violationSamples: [
            {
              kind: 'Pod',
              namespace: 'finance',
              name: HOSTILE,
              reason: HOSTILE.repeat(10),
              region: 'us-east-1',
              since: '2026-01-01T00:00:00Z',
            },
          ],
        }
      : {},
  ),
];

interface AlertWorld {
  readonly hub: HubProcess;
  readonly clusters: readonly ReportingCluster[];
  stop(): Promise<void>;
}

const openAlertWorld = async (folder: string, alertsFile: string, database: keyof typeof KILLS): Promise<AlertWorld> => {
  const git = await startGitServer({ root: `${folder}/repositories` });
  await git.create('policies.git');
  const repository = await openGitRepository(`${folder}/work`, git.url('policies.git'));
  const registrations = CLUSTERS.map((name) => [`clusters/${name}.yaml`, clusterFile(name, ['eu-west-1'])]);
  const policy = policyFile('finance').replace('name: finance', 'name: finance\n  labels: { team: payments }');
  await repository.commit({ ...Object.fromEntries(registrations), 'policies/finance.yaml': policy }, 'first');
  const tokens = new Map(CLUSTERS.map((name) => [name, `token-of-${name}-0123456789`]));
  const postgres = database === 'postgres' ? await startPostgres() : undefined;
  const server: Record<string, string> = postgres === undefined ? {} : { DATABASE_URL: await postgres.createDatabase() };
  const env = { ...server, FSO_API_TOKEN: API_TOKEN, FSO_ALERTS_FILE: alertsFile, FSO_GIT_POLL_MS: '1000' };
  const hub = await createHubProcess({ name: 'hub', folder: `${folder}/hub`, gitUrl: git.url('policies.git'), tokens, env });
  await hub.start();
  const clusters = CLUSTERS.map(
    (name) => new ReportingCluster(name, { agentUrl: hub.agentUrl, token: tokens.get(name) ?? '' }, reportOf(false)),
  );
  return {
    hub,
    clusters,
    stop: async () => {
      await Promise.all(clusters.map((cluster) => cluster.stop()));
      await hub.stop();
      await postgres?.stop();
      await git.stop();
    },
  };
};

let folder: string;
let receivers: AlertReceivers;
let world: AlertWorld;

const about = (deliveries: readonly Delivery[], cluster: string, status: Delivery['status']): Delivery[] =>
  deliveries.filter((delivery) => delivery.status === status && delivery.text.includes(`in cluster ${cluster}`));

const keysOf = (deliveries: readonly Delivery[]): Set<string> => new Set(deliveries.map(({ key }) => key));

/**
 * Number of different notifications of a kind about a cluster, at the receiver that got the fewest.
 */
const toldTimes = (cluster: string, status: Delivery['status']): number => {
  const all = receivers.deliveries();
  return Math.min(...KINDS.map((kind) => keysOf(about(all[kind], cluster, status)).size));
};

const firesInAlertmanager = async (cluster: string): Promise<boolean> =>
  (await receivers.alertmanager.alerts()).some(({ labels }) => labels['cluster'] === cluster);

/** Waits until every receiver knows, for the nth time. */
const untilTold = async (cluster: string, status: Delivery['status'], times: number): Promise<void> => {
  await eventually(() => toldTimes(cluster, status) >= times);
  await eventually(async () => (await firesInAlertmanager(cluster)) === (status === 'firing'));
};

/** Alerts that fire and end again and again, each time once everybody knows. */
const startChanges = (clusters: readonly ReportingCluster[]) => {
  let goesOn: boolean = true;
  const changes = new Map(clusters.map(({ name }) => [name, 0]));
  const comeAndGo = async (cluster: ReportingCluster): Promise<void> => {
    const { name } = cluster;
    for (let times = toldTimes(name, 'firing') + 1; goesOn; times += 1) {
      for (const status of ['firing', 'resolved'] as const) {
        cluster.report(reportOf(status === 'firing'));
        await untilTold(name, status, times);
        changes.set(name, (changes.get(name) ?? 0) + 1);
      }
    }
  };
  const running = Promise.all(clusters.map(comeAndGo));
  return {
    /** Waits until everybody knows of one more change of each, or one could not wait. */
    untilAllChanged: async (): Promise<void> => {
      const before = new Map(changes);
      await Promise.race([running, eventually(() => [...before].every(([name, times]) => (changes.get(name) ?? 0) > times))]);
    },
    /** @returns number of changes of all */
    stop: async (): Promise<number> => {
      goesOn = false;
      await running;
      return [...changes.values()].reduce((sum, each) => sum + each);
    },
  };
};

/**
 * Kills the hub at random moments. Every other one lives until alerts have come or gone, however
 * long that takes here; the others are killed from their first moment on.
 */
const killHub = async (times: number, untilAllChanged: () => Promise<void>): Promise<void> => {
  const random = createRandom(SEED);
  for (let kill = 0; kill < times; kill += 1) {
    if (kill % 2 === 0) await untilAllChanged();
    await delay(random() * 4_000);
    await world.hub.kill();
    await world.hub.start();
  }
};

const callHub = async (path: string, init: RequestInit = {}) => {
  const headers = { authorization: `Bearer ${API_TOKEN}`, 'content-type': 'application/json' };
  return (await fetch(`${world.hub.url}/api/v1${path}`, { ...init, headers })).json() as Promise<Record<string, unknown>>;
};

describe.each(['embedded', 'postgres'] as const)('alerts, with the database %s,', (database) => {
  beforeAll(async () => {
    receivers = await startAlertReceivers(never);
    const file = await receivers.folder.write('alerts.yaml', receivers.yaml + ROUTES);
    folder = await mkdtemp(join(tmpdir(), 'fso-alerts-'));
    world = await openAlertWorld(folder, file, database);
  });
  afterAll(async () => {
    await world.stop();
    await receivers[Symbol.asyncDispose]();
    await rm(folder, { recursive: true, force: true });
  });

  it('reach a receiver of each kind when they fire and when they end, within its limits, for any texts of a cluster', async () => {
    const [cluster] = world.clusters;
    if (cluster === undefined) throw new Error('no cluster');
    cluster.report(reportOf(true));
    await untilTold(cluster.name, 'firing', 1);
    const [listed] = await receivers.alertmanager.alerts();
    expect(listed).toMatchObject({
      labels: { alertname: 'Violations', severity: 'critical', cluster: 'eu-1', policy: 'finance', region: 'eu-west-1', team: 'payments' },
      annotations: { summary: 'Violations: policy finance in cluster eu-1' },
    });
    cluster.report(reportOf(false));
    await untilTold(cluster.name, 'resolved', 1);
    const [trigger, resolve] = receivers.pagerduty.received.map(({ body }) => JSON.parse(body) as { dedup_key: string });
    expect(resolve?.dedup_key).toBe(trigger?.dedup_key);
    for (const mail of receivers.mail.mails) {
      expect(mail.to).toEqual(['ops@example.com']);
      expect([...mail.headers.keys()]).not.toContain('bcc');
      expect(mail.raw.slice(mail.raw.indexOf('text/html'))).not.toContain('<script>');
    }
    const bodies = receivers.webhookBodies().flatMap(({ alerts }) => alerts);
    expect(bodies.map(({ status }) => status)).toEqual(['firing', 'resolved']);
    expect(bodies[1]?.startsAt).toBe(bodies[0]?.startsAt);
    const { items } = await callHub('/alerts?state=resolved');
    expect(items).toMatchObject([{ name: 'Violations', state: 'resolved', labels: { cluster: 'eu-1', team: 'payments' } }]);
  });

  it('are silenced, notified of when the silence ends, and in the audit log', async () => {
    const cluster = world.clusters[1];
    if (cluster === undefined) throw new Error('no cluster');
    const until = new Date(Date.now() + 3_600_000).toISOString();
    const body = JSON.stringify({ matchers: [`cluster="${cluster.name}"`], until, reason: 'maintenance' });
    const { id } = await callHub('/alerts/silences', { method: 'POST', body });
    cluster.report(reportOf(true));
    await eventually(async () => (await callHub(`/alerts?cluster=${cluster.name}&state=silenced`))['total'] === 1);
    expect([toldTimes(cluster.name, 'firing'), await firesInAlertmanager(cluster.name)]).toEqual([0, false]);
    await callHub(`/alerts/silences/${id}`, { method: 'DELETE' });
    await untilTold(cluster.name, 'firing', 1);
    cluster.report(reportOf(false));
    await untilTold(cluster.name, 'resolved', 1);
    const actions = ((await callHub('/audit?limit=100'))['items'] as { action: string; subject: string }[]).filter(
      ({ subject }) => subject === id,
    );
    expect(new Set(actions.map(({ action }) => action))).toEqual(new Set(['api.create-silence', 'api.end-silence']));
  });

  const survives = 'survive a hub that is killed at random moments; a repeated notification has the same key';
  it(survives, { timeout: KILLS[database] * HANG_MS }, async () => {
    const { untilAllChanged, stop } = startChanges(world.clusters);
    await killHub(KILLS[database], untilAllChanged);
    const transitions = await stop();
    const all = receivers.deliveries();
    const repeats = KINDS.map((kind) => all[kind].length - keysOf(all[kind]).size);
    console.log(
      `seed ${SEED}: ${KILLS[database]} kills, ${transitions} transitions, repeated: ${KINDS.map((kind, at) => `${kind} ${repeats[at]}`).join(', ')}`,
    );
    for (const kind of KINDS) for (const name of CLUSTERS) expectNoOtherKeys(all[kind], name);
    // At most one of each group is on its way when a hub is killed.
    for (const repeated of repeats) expect(repeated).toBeLessThanOrEqual(KILLS[database] * CLUSTERS.length);
  });
});

/**
 * Checks that a notification is repeated under its key only: firing and resolved ones alternate
 * once repeats are left out.
 */
const expectNoOtherKeys = (deliveries: readonly Delivery[], cluster: string): void => {
  const seen = new Set<string>();
  const told = deliveries
    .filter(({ text }) => text.includes(`in cluster ${cluster}`))
    .filter(({ key }) => !seen.has(key) && seen.add(key))
    .map(({ status }) => status);
  expect(told).toEqual(told.map((_, at) => (at % 2 === 0 ? 'firing' : 'resolved')));
};
