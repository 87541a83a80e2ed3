import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { openGitRepository } from '../../clusters/demo/git-repository.ts';
import { startGitServer } from '../../clusters/demo/git-server.ts';
import { openAlertsFolder } from '../../hub/alerts/testing/alerts-files.ts';
import { startReceiverServer } from '../../hub/alerts/testing/receiver-server.ts';
import { createHubProcess, type HubProcess } from '../harness/hub-process.ts';
import { clusterFile, policyFile } from '../harness/policy-files.ts';
import { policyReport } from '../harness/policy-reports.ts';
import { startPostgres } from '../harness/postgres.ts';
import { ReportingCluster } from '../harness/reporting-cluster.ts';
import { eventually } from '../harness/waiting.ts';

const API_TOKEN = 'static-token-0123456789';
const CLUSTER_TOKEN = 'token-of-eu-0123456789';

const openWorld = async () => {
  const folder = await mkdtemp(join(tmpdir(), 'fso-alert-replicas-'));
  const git = await startGitServer({ root: join(folder, 'repositories') });
  await git.create('policies.git');
  const repository = await openGitRepository(join(folder, 'work'), git.url('policies.git'));
  await repository.commit(
    { 'clusters/eu.yaml': clusterFile('eu', ['eu-west-1']), 'policies/finance.yaml': policyFile('finance') },
    'first',
  );
  const postgres = await startPostgres();
  const webhook = await startReceiverServer();
  const files = await openAlertsFolder();
  const secretFile = await files.secret('hmac', 'secret');
  const text = `receivers: [{name: hook, webhook: {url: "${webhook.url}", secretFile: ${secretFile}}}]
route: {receiver: hook, groupWait: 0s, groupInterval: 1s}
rules: {Violations: {for: 0s}}
`;
  const env = {
    FSO_API_TOKEN: API_TOKEN,
    FSO_ALERTS_FILE: await files.write('alerts.yaml', text),
    FSO_AUDIT_KEY_FILE: join(folder, 'audit-key.pem'),
    DATABASE_URL: await postgres.createDatabase(),
  };
  const tokens = new Map([['eu', CLUSTER_TOKEN]]);
  const startHub = async (name: string): Promise<HubProcess> => {
    const hub = await createHubProcess({ name, folder: join(folder, name), gitUrl: git.url('policies.git'), tokens, env });
    await hub.start();
    return hub;
  };
  // The first one leads.
  const [leader, other] = [await startHub('one'), await startHub('two')];
  const cluster = new ReportingCluster('eu', { agentUrl: other.agentUrl, token: CLUSTER_TOKEN }, [policyReport('finance')]);
  return {
    leader,
    other,
    cluster,
    webhook,
    stop: async () => {
      await cluster.stop();
      await Promise.all([leader.stop(), other.stop()]);
      await postgres.stop();
      await git.stop();
      await webhook[Symbol.asyncDispose]();
      await files[Symbol.asyncDispose]();
      await rm(folder, { recursive: true, force: true });
    },
  };
};

let world: Awaited<ReturnType<typeof openWorld>>;
beforeAll(async () => {
  world = await openWorld();
});
afterAll(() => world.stop());

interface Listed {
  readonly items: readonly { readonly id?: string; readonly fingerprint?: string; readonly state: string }[];
}

const call = async (hub: HubProcess, path: string, body?: object): Promise<Listed> => {
  const headers = { authorization: `Bearer ${API_TOKEN}`, 'content-type': 'application/json' };
  const init = body === undefined ? { headers } : { headers, method: 'POST', body: JSON.stringify(body) };
  return (await (await fetch(`${hub.url}/api/v1/alerts${path}`, init)).json()) as Listed;
};

const statuses = (): string[] => world.webhook.received.map(({ body }) => (JSON.parse(body) as { status: string }).status);

it('notify from one of several hubs, are shown and silenced at each, and fail over to another hub', async () => {
  const { leader, other, cluster } = world;
  cluster.report([policyReport('finance', { violations: 1 })]);
  await eventually(() => statuses().length === 1);
  for (const hub of [leader, other]) await eventually(async () => (await call(hub, '')).items.some(({ state }) => state === 'firing'));
  const until = new Date(Date.now() + 3_600_000).toISOString();
  await call(other, '/silences', { matchers: ['cluster=eu'], until, reason: 'work' });
  await eventually(async () => (await call(leader, '')).items.some(({ state }) => state === 'silenced'));
  await leader.kill();
  // Those who know that it fires learn of its end, from the hub that leads by then.
  cluster.report([policyReport('finance')]);
  await eventually(() => statuses().length === 2);
  expect(statuses()).toEqual(['firing', 'resolved']);
  expect((await call(other, '')).items).toMatchObject([{ state: 'resolved' }]);
});
