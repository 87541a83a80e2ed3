import { randomBytes } from 'node:crypto';
import { statSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ENROLMENT_SECRET, SYSTEM_NAMESPACE } from '@fso/shared/api';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type GitRepository, openGitRepository } from '../../clusters/demo/git-repository.ts';
import { startGitServer } from '../../clusters/demo/git-server.ts';
import { createHubClient, type HubClient } from '../../hub/cli/client/api-client.ts';
import { ProbeStream } from '../attacks/probe-stream.ts';
import { makeNamespaces } from '../bench/namespaces.ts';
import { HUB_NAMESPACE } from '../harness/chart-releases.ts';
import type { Release, Values } from '../harness/helm.ts';
import { clusterFile, policyFile } from '../harness/policy-files.ts';
import { startPostgres, type TestPostgres } from '../harness/postgres.ts';
import { startTcpProxy } from '../harness/tcp-proxy.ts';
import { eventually } from '../harness/waiting.ts';
import { podFigures, report } from './figures.ts';
import { Images, imageOf, VERSIONS } from './images.ts';
import { assertMachine } from './machine.ts';
import { RealCluster } from './real-cluster.ts';

/**
 * A control cluster with two hubs on PostgreSQL, and three workload clusters whose agents enrol.
 */

const [FIRST, SECOND] = VERSIONS;
const REGIONS: Readonly<Record<string, string>> = { us: 'us-east-1', eu: 'eu-west-1', apac: 'ap-southeast-1' };
const GOVERNED = 'finance';
/**
 * Address at which agents of other clusters reach the hub: a cloud would give it to its Service.
 */
const HUB_ADDRESS = '10.233.0.1';
const API_TOKEN = randomBytes(32).toString('hex');
/** About five seconds of probes. */
const PROBES = 100;
const POLICIES = 1000;
const PATIENCE_MS = 3_600_000;

let repository: GitRepository;
let postgres: TestPostgres;
let control: RealCluster;
let hub: HubClient;
/** Functions that end what was started, called in reverse order. */
const closers: (() => Promise<void>)[] = [];
const clusters = new Map<string, RealCluster>();

/** The URL of a server of this machine, as pods of the control cluster see it. */
const urlForPods = async (url: string): Promise<string> => {
  const { port } = new URL(url);
  const proxy = await startTcpProxy({ host: '127.0.0.1', port: Number(port) }, control.node.network.gateway);
  closers.push(() => proxy.close());
  return url.replace(`127.0.0.1:${port}`, `${control.node.network.gateway}:${proxy.port}`);
};

let gitUrl: string;

const hubOf = (version: string, values: Values, namespace = HUB_NAMESPACE): Release => ({
  chart: 'fso-hub',
  namespace,
  values: {
    ...imageOf(version),
    git: { url: gitUrl },
    access: { apiTokenSecret: { name: 'api' } },
    settings: { FSO_GIT_POLL_MS: '2000' },
    ...values,
  },
});
const FEDERATED = {
  replicas: 2,
  database: { urlSecret: { name: 'database' } },
  agents: { hostnames: [HUB_ADDRESS], service: { type: 'LoadBalancer' } },
};

const agentOf = (cluster: string, version: string): Release => ({
  chart: 'fso-agent',
  namespace: SYSTEM_NAMESPACE,
  values: {
    ...imageOf(version),
    cluster,
    replicas: 1,
    hub: { url: `wss://${HUB_ADDRESS}:8443` },
  },
});

const everyClusterProven = async (revision: string): Promise<void> => {
  await eventually(async () => {
    const found = await hub.clusters();
    if (found.length === clusters.size && found.every(({ provenRevision }) => provenRevision === revision)) return true;
    throw new Error(
      found
        .map(({ name, connection, provenRevision, policies }) => `${name}: ${JSON.stringify({ connection, provenRevision, policies })}`)
        .join('; '),
    );
  }, PATIENCE_MS);
};

beforeAll(async () => {
  await assertMachine();
  const images = new Images(join('.fso', 'deploy', 'images'));
  const archives: Record<string, string[]> = {
    hub: [await images.product('hub', FIRST), await images.product('hub', SECOND)],
    agent: [await images.product('agent', FIRST), await images.product('agent', SECOND)],
  };
  const mebibytes = (bytes: number): number => Math.round(bytes / 1024 ** 2);
  const sizes: object[] = [];
  // One after the other: each writes the archive of the base.
  for (const [image, [file = '']] of Object.entries(archives))
    sizes.push({ image, MiB: mebibytes(statSync(file).size), 'MiB beyond its base': mebibytes(await images.addedBytes(file)) });
  report('images, uncompressed', sizes);
  const start = async (name: string, number: number, region: string, target: string): Promise<RealCluster> => {
    const cluster = await RealCluster.start({ name, number, region, images });
    closers.push(() => cluster.close());
    for (const archive of archives[target] ?? []) await cluster.node.importImage(archive);
    return cluster;
  };
  control = await start('control', 2, 'eu-west-1', 'hub');
  for (const [index, [name, region]] of Object.entries(REGIONS).entries())
    clusters.set(name, await start(name, index + 3, region, 'agent'));

  const folder = await mkdtemp(join(tmpdir(), 'fso-deploy-'));
  closers.push(() => rm(folder, { recursive: true, force: true }));
  const git = await startGitServer({ root: join(folder, 'repositories') });
  closers.push(() => git.stop());
  await git.create('policies.git');
  gitUrl = await urlForPods(git.url('policies.git'));
  repository = await openGitRepository(join(folder, 'work'), git.url('policies.git'));
  postgres = await startPostgres();
  closers.push(() => postgres.stop());
});

afterAll(async () => {
  for (const close of closers.toReversed()) await close();
});

it('two hubs on PostgreSQL run under Pod Security "restricted"', async () => {
  await control.makeRestrictedNamespace(HUB_NAMESPACE);
  await control.makeSecret(HUB_NAMESPACE, 'api', { token: API_TOKEN });
  await control.makeSecret(HUB_NAMESPACE, 'database', { url: await urlForPods(await postgres.createDatabase()) });
  await control.makeVolumes(2);
  const files = Object.entries(REGIONS).map(([name, region]) => [`clusters/${name}.yaml`, clusterFile(name, [region])]);
  await repository.commit({ ...Object.fromEntries(files), [`policies/${GOVERNED}.yaml`]: policyFile(GOVERNED) }, 'the first policy');
  await control.install(hubOf(FIRST, FEDERATED));
  expect((await control.pods(HUB_NAMESPACE)).map(({ status }) => status?.phase)).toEqual(['Running', 'Running']);
  hub = createHubClient({ server: `http://${await control.serviceAddress(HUB_NAMESPACE, 'fso-hub')}`, token: API_TOKEN });
  await control.giveAddress(HUB_NAMESPACE, 'fso-hub-agents', HUB_ADDRESS);
});

it('agents of three clusters enrol, and prove the policy of the repository', async () => {
  for (const [name, cluster] of clusters) {
    await cluster.makeNamespace(GOVERNED);
    await cluster.makeRestrictedNamespace(SYSTEM_NAMESPACE);
    const { token } = await hub.createEnrolmentToken(name, 3600);
    await cluster.makeSecret(SYSTEM_NAMESPACE, ENROLMENT_SECRET, { token });
    await cluster.install(agentOf(name, FIRST));
  }
  await everyClusterProven(await repository.git('rev-parse', 'HEAD'));
  expect((await hub.clusters()).map(({ connection, certificateExpires }) => [connection, certificateExpires !== null])).toEqual(
    [...clusters].map(() => ['Connected', true]),
  );
});

it('a governed pod runs in an allowed region, and is refused by every cluster elsewhere', async () => {
  const [region = ''] = [REGIONS['eu']];
  expect(await clusters.get('eu')?.createPod(GOVERNED, 'inside', region)).toBe('');
  await clusters.get('eu')?.runs(GOVERNED, 'inside');
  for (const [name, cluster] of clusters) {
    if (name === 'eu') continue;
    expect(await cluster.createPod(GOVERNED, 'outside', REGIONS[name] ?? '')).toContain(`allows regions ${region}`);
  }
});

it('upgrade and rollback of the hubs, then of one agent after the other, admit no pod that must be refused', async () => {
  const probes = [...clusters.values()].map((cluster) => new ProbeStream(cluster.client, GOVERNED));
  const more = (): Promise<unknown> => Promise.all(probes.map((probe) => probe.untilRefused(PROBES)));
  await more();
  await control.install(hubOf(SECOND, FEDERATED));
  for (const [name, cluster] of clusters) await cluster.install(agentOf(name, SECOND));
  await more();
  const revision = await repository.commit({ 'policies/payroll.yaml': policyFile('payroll') }, 'a policy for the new version');
  await everyClusterProven(revision);
  await control.rollback(hubOf(SECOND, FEDERATED));
  for (const [name, cluster] of clusters) await cluster.rollback(agentOf(name, SECOND));
  await more();
  await Promise.all(probes.map((probe) => probe.stop()));
  const counts = probes.map(({ refused, unanswered, admitted }, index) => ({
    cluster: [...clusters.keys()][index],
    refused,
    unanswered,
    admitted: admitted.length,
  }));
  report('probes during upgrade and rollback of hubs and agents', counts);
  expect(probes.flatMap(({ admitted }) => admitted)).toEqual([]);
  await everyClusterProven(await repository.commit({ 'policies/payroll.yaml': null }, 'gone again'));
});

it(`pods stay within their limits with ${POLICIES} policies`, async () => {
  const eu = clusters.get('eu');
  if (eu === undefined) throw new Error('no cluster eu');
  await makeNamespaces(eu, 'many-', POLICIES);
  const placement = '  placement: { clusterNames: [eu] }\n';
  const files = Array.from({ length: POLICIES }, (_, index) => [`policies/many-${index}.yaml`, policyFile(`many-${index}`) + placement]);
  await everyClusterProven(await repository.commit(Object.fromEntries(files), `${POLICIES} policies`));
  const figures = [...(await podFigures(control, HUB_NAMESPACE)), ...(await podFigures(eu, SYSTEM_NAMESPACE))];
  report(`pods with ${POLICIES} policies, hubs on PostgreSQL`, figures);
  for (const { workingSetMiB, limitMiB } of figures) expect(workingSetMiB).toBeLessThan(limitMiB);
  const restarts = [...(await control.pods(HUB_NAMESPACE)), ...(await eu.pods(SYSTEM_NAMESPACE))].flatMap(
    ({ status }) => status?.containerStatuses ?? [],
  );
  expect(restarts.map(({ restartCount }) => restartCount)).toEqual(restarts.map(() => 0));
});

it('a hub with the embedded ledger runs on the same repository', async () => {
  const namespace = 'fso-embedded';
  await control.makeRestrictedNamespace(namespace);
  await control.makeSecret(namespace, 'api', { token: API_TOKEN });
  await control.makeVolumes(1);
  await control.install(hubOf(FIRST, { replicas: 1 }, namespace));
  const figures = await podFigures(control, namespace);
  report(`hub with ${POLICIES} policies, embedded ledger`, figures);
  for (const { workingSetMiB, limitMiB } of figures) expect(workingSetMiB).toBeLessThan(limitMiB);
});
