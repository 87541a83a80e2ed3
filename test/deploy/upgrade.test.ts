import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { AGENT_IDENTITY, ENROLMENT_SECRET, SYSTEM_NAMESPACE } from '@fso/shared/api';
import { POD_KIND, SECRET_KIND } from '@fso/shared/kube';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type GitRepository, openGitRepository } from '../../clusters/demo/git-repository.ts';
import { startGitServer } from '../../clusters/demo/git-server.ts';
import { createHubClient, type HubClient } from '../../hub/cli/client/api-client.ts';
import { CONTAINERS } from '../attacks/bodies.ts';
import { ProbeStream } from '../attacks/probe-stream.ts';
import { HUB_NAMESPACE } from '../harness/chart-releases.ts';
import { CHARTS, type Release } from '../harness/helm.ts';
import { refusalOf } from '../harness/kube-client.ts';
import { clusterFile, policyFile } from '../harness/policy-files.ts';
import { Shell } from '../harness/shell.ts';
import { startTcpProxy } from '../harness/tcp-proxy.ts';
import { HELM_TOOL } from '../harness/tools.ts';
import { eventually } from '../harness/waiting.ts';
import { Images, imageOf, VERSIONS } from './images.ts';
import { assertMachine } from './machine.ts';
import { checkOut, goesBack, olderCommit } from './older-commit.ts';
import { RealCluster } from './real-cluster.ts';

/**
 * Charts and images of an older commit, brought to those of the working tree and back. The commit
 * is `FSO_TEST_DEPLOY_FROM`, by default the one before the programs changed last. With
 * `FSO_TEST_DEPLOY_BACK=off` there is no way back, as from a version with another protocol.
 */

const [OLD, NEW] = VERSIONS;
const REGION = 'eu-west-1';
const GOVERNED = 'finance';
const HUB_ADDRESS = '10.234.0.1';
const API_TOKEN = randomBytes(32).toString('hex');
/** About five seconds of probes. */
const PROBES = 100;

let folder: string;
let images: Images;
let cluster: RealCluster;
let hub: HubClient;
let repository: GitRepository;
let gitUrl: string;
/** Folder of the older commit's charts. */
let oldCharts: string;
const opened = new AsyncDisposableStack();

const hubOf = (charts: string, version: string): Release => ({
  chart: join(charts, 'fso-hub'),
  namespace: HUB_NAMESPACE,
  values: {
    ...imageOf(version),
    replicas: 1,
    git: { url: gitUrl },
    access: { apiTokenSecret: { name: 'api' } },
    agents: { hostnames: [HUB_ADDRESS], service: { type: 'LoadBalancer' } },
    settings: { FSO_GIT_POLL_MS: '2000' },
  },
});
const agentOf = (charts: string, version: string): Release => ({
  chart: join(charts, 'fso-agent'),
  namespace: SYSTEM_NAMESPACE,
  values: { ...imageOf(version), cluster: 'one', hub: { url: `wss://${HUB_ADDRESS}:8443` } },
});

/** Waits until the hub knows that the cluster has the commit in force. */
const proven = (revision: string): Promise<unknown> =>
  eventually(async () => (await hub.clusters()).some(({ provenRevision }) => provenRevision === revision));
/** Whether a pod without a region, which is only tried, is refused. */
const isRefused = async (): Promise<boolean> => {
  const pod = { metadata: { namespace: GOVERNED, name: 'tried' }, spec: { containers: CONTAINERS } };
  return (await refusalOf(cluster.client.create(POD_KIND, pod, { dryRun: true }, cluster.signal))).includes('allows regions');
};
/** The CA of the agents, as the agent keeps it. */
const caOf = async (): Promise<string | undefined> =>
  (await cluster.client.get(SECRET_KIND, { namespace: SYSTEM_NAMESPACE, name: AGENT_IDENTITY }, cluster.signal))?.data?.['ca.crt'];

beforeAll(async () => {
  await assertMachine();
  folder = await mkdtemp(join(tmpdir(), 'fso-deploy-upgrade-'));
  opened.defer(() => rm(folder, { recursive: true, force: true }));
  const older = await checkOut(await olderCommit(), join(folder, 'older'));
  oldCharts = join(older, 'deploy/charts');
  images = new Images(join('.fso', 'deploy', 'images'));
  const archives = [];
  for (const target of ['hub', 'agent']) archives.push(await images.product(target, OLD, older), await images.product(target, NEW));
  cluster = await RealCluster.start({ name: 'upgrade', number: 6, region: REGION, images });
  opened.defer(() => cluster.close());
  for (const archive of archives) await cluster.node.importImage(archive);
  const git = await startGitServer({ root: join(folder, 'repositories') });
  opened.defer(() => git.stop());
  await git.create('policies.git');
  const proxy = await startTcpProxy({ host: '127.0.0.1', port: git.port }, cluster.node.network.gateway);
  opened.defer(() => proxy.close());
  gitUrl = `http://${cluster.node.network.gateway}:${proxy.port}/policies.git`;
  repository = await openGitRepository(join(folder, 'work'), git.url('policies.git'));
});
afterAll(() => opened.disposeAsync());

it('images of the two commits differ', async () => {
  for (const target of ['hub', 'agent']) expect(await images.digest(target, OLD)).not.toBe(await images.digest(target, NEW));
});

/** Run through both tests below. */
let probes: ProbeStream;
let ca: string | undefined;

const afterwards = async (revision: string): Promise<void> => {
  await probes.untilRefused(PROBES);
  await proven(revision);
  expect(probes.admitted).toEqual([]);
  expect(await caOf()).toBe(ca);
};

it('hub and agents go to the newer charts, admit no pod that must be refused, and keep the CA', async () => {
  await cluster.makeRestrictedNamespace(HUB_NAMESPACE);
  await cluster.makeSecret(HUB_NAMESPACE, 'api', { token: API_TOKEN });
  await cluster.makeVolumes(1);
  const files = { 'clusters/one.yaml': clusterFile('one', [REGION]), 'policies/finance.yaml': policyFile(GOVERNED) };
  await repository.commit(files, 'the first policy');
  await cluster.install(hubOf(oldCharts, OLD));
  hub = createHubClient({ server: `http://${await cluster.serviceAddress(HUB_NAMESPACE, 'fso-hub')}`, token: API_TOKEN });
  await cluster.giveAddress(HUB_NAMESPACE, 'fso-hub-agents', HUB_ADDRESS);
  await cluster.makeNamespace(GOVERNED);
  await cluster.makeRestrictedNamespace(SYSTEM_NAMESPACE);
  await cluster.makeSecret(SYSTEM_NAMESPACE, ENROLMENT_SECRET, { token: (await hub.createEnrolmentToken('one', 3600)).token });
  await cluster.install(agentOf(oldCharts, OLD));
  await eventually(isRefused);
  ca = await eventually(caOf);

  probes = new ProbeStream(cluster.client, GOVERNED);
  opened.defer(() => probes.stop());
  await probes.untilRefused(PROBES);
  await cluster.install(hubOf(CHARTS, NEW));
  await cluster.install(agentOf(CHARTS, NEW));
  await afterwards(await repository.commit({ 'policies/payroll.yaml': policyFile('payroll') }, 'a policy for the new version'));
});

it('finds no difference between helm template and the cluster, before and after it is applied twice', async () => {
  const shell = await Shell.open(cluster, cluster.signal, { tools: [HELM_TOOL] });
  for (const release of [hubOf(CHARTS, NEW), agentOf(CHARTS, NEW)]) {
    const { namespace, values } = release;
    const pods = async (): Promise<unknown> => new Set((await cluster.pods(namespace)).map(({ metadata }) => metadata.uid));
    const before = await pods();
    const file = join(folder, `${namespace}.json`);
    await writeFile(file, JSON.stringify(values));
    const rendered = `helm template ${basename(release.chart)} '${release.chart}' --namespace ${namespace} --no-hooks --values '${file}'`;
    // kubectl diff ends with 1 where something differs.
    await shell.run(`${rendered} | kubectl diff -f -`);
    await shell.run(`for time in first second; do ${rendered} | kubectl apply -f -; done`);
    await shell.run(`${rendered} | kubectl diff -f -`);
    expect(await pods()).toEqual(before);
  }
  await afterwards(await repository.commit({ 'policies/hr.yaml': policyFile('hr') }, 'a policy after it was applied'));
});

it.runIf(goesBack())('agents and hub go back to the older charts, admit no pod that must be refused, and keep the CA', async () => {
  await cluster.rollback(agentOf(CHARTS, NEW));
  await cluster.rollback(hubOf(CHARTS, NEW));
  await afterwards(await repository.commit({ 'policies/payroll.yaml': null }, 'gone again'));
});

it('admitted no pod at any moment', async () => {
  await probes.stop();
  console.log(`${probes.refused} refused, ${probes.unanswered} without an answer, ${probes.admitted.length} admitted`);
  expect(probes.admitted).toEqual([]);
});
