/**
 * The local clusters, on which other tests and the demo rely. One cluster as a library serves most
 * cases; the tests of lifetimes (a killed parent, a killed `up`) start their own, without
 * Gatekeeper.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { downFleet, fleetStatus } from '@fso/clusters/fleet';
import type { LocalCluster } from '@fso/clusters/local';
import { type KubeClient, NAMESPACE_KIND, NODE_KIND, POD_KIND, SERVICE_ACCOUNT_KIND } from '@fso/shared/kube';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CLUSTER_DIR_VARIABLE, findMarked } from '../../clusters/processes.ts';
import { openKubeClient } from '../harness/kube-client.ts';
import { startTestCluster } from '../harness/local-cluster.ts';

const REGION = 'topology.kubernetes.io/region';
const clusters = join(import.meta.dirname, '..', '..', 'clusters');
const signal = new AbortController().signal;
const scratch = mkdtempSync(join(tmpdir(), 'fso-fleet-'));

const processesOf = (stateDir: string, name: string) => findMarked(join(stateDir, 'clusters', name));

afterAll(() => rmSync(scratch, { recursive: true, force: true }));

describe('a cluster as a library', () => {
  const stateDir = join(scratch, 'library');
  let cluster: LocalCluster;
  let client: KubeClient;

  beforeAll(async () => {
    cluster = await startTestCluster({ name: 'one', stateDir, regions: ['eu-west-1', 'eu-central-1'], gatekeeper: true }, signal);
    client = openKubeClient({ kubeconfig: cluster.kubeconfig });
  });

  afterAll(async () => {
    await client.close();
    await cluster.stop();
  });

  const createNamespace = async (name: string): Promise<void> => {
    await client.create(NAMESPACE_KIND, { apiVersion: 'v1', kind: 'Namespace', metadata: { name } }, {}, signal);
    await expect.poll(() => client.get(SERVICE_ACCOUNT_KIND, { namespace: name, name: 'default' }, signal)).toBeDefined();
  };

  const pod = (namespace: string, name: string, region: string) => ({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { namespace, name },
    spec: { containers: [{ name: 'main', image: 'registry.example/app' }], nodeSelector: { [REGION]: region } },
  });

  it('keeps the kubeconfig to its owner and verifies the server', async () => {
    expect(statSync(cluster.kubeconfig).mode & 0o777).toBe(0o600);
    await expect(fetch(`${cluster.server}/version`)).rejects.toHaveProperty('cause.code', expect.stringMatching(/CERT|VERIFY|SIGNED/));
    expect(await client.version(signal)).toMatch(/^v1\./);
  });

  it('has two Ready nodes in each region', async () => {
    const nodes = await client.list(NODE_KIND, {}, signal);
    expect(nodes.map(({ metadata }) => metadata.labels?.[REGION] ?? '').sort((a, b) => a.localeCompare(b))).toEqual([
      'eu-central-1',
      'eu-central-1',
      'eu-west-1',
      'eu-west-1',
    ]);
    const [status] = await fleetStatus(stateDir, ['one']);
    expect(status).toMatchObject({ state: 'up', gatekeeper: 'ready', nodes: { 'eu-west-1': 2, 'eu-central-1': 2 } });
  });

  it('schedules a pod in its region, where it becomes Running', async () => {
    await createNamespace('run');
    await client.create(POD_KIND, pod('run', 'a', 'eu-central-1'), {}, signal);
    await expect.poll(async () => (await client.get(POD_KIND, { namespace: 'run', name: 'a' }, signal))?.status?.phase).toBe('Running');
    const { nodeName = '' } = ((await client.get(POD_KIND, { namespace: 'run', name: 'a' }, signal))?.spec ?? {}) as { nodeName?: string };
    const node = await client.get(NODE_KIND, { name: nodeName }, signal);
    expect(node?.metadata.labels?.[REGION]).toBe('eu-central-1');
  });

  it('enforces a Gatekeeper constraint, also after Gatekeeper was killed and restarted', async () => {
    await createNamespace('refused');
    const rego = 'package refuseall\n\nviolation[{"msg": "refused by the test"}] { true }\n';
    const path = '/apis/templates.gatekeeper.sh/v1/constrainttemplates';
    const template = {
      apiVersion: 'templates.gatekeeper.sh/v1',
      kind: 'ConstraintTemplate',
      metadata: { name: 'refuseall' },
      spec: { crd: { spec: { names: { kind: 'RefuseAll' } } }, targets: [{ target: 'admission.k8s.gatekeeper.sh', rego }] },
    };
    await client.raw({ method: 'POST', path, body: template }, signal);
    const constraint = {
      apiVersion: 'constraints.gatekeeper.sh/v1beta1',
      kind: 'RefuseAll',
      metadata: { name: 'all' },
      spec: { match: { kinds: [{ apiGroups: [''], kinds: ['Pod'] }], namespaces: ['refused'] } },
    };
    const create = () =>
      client.raw({ method: 'POST', path: '/apis/constraints.gatekeeper.sh/v1beta1/refuseall', body: constraint }, signal);
    await expect
      .poll(() =>
        create().then(
          () => 'created',
          () => 'not yet',
        ),
      )
      .toBe('created');
    const attempt = () =>
      client.create(POD_KIND, pod('refused', 'b', 'eu-west-1'), { dryRun: true }, signal).then(
        () => 'admitted',
        (error: Error) => error.message,
      );
    await expect.poll(attempt).toContain('refused by the test');
    await cluster.stopGatekeeper('SIGKILL');
    expect(await attempt()).toBe('admitted');
    await cluster.startGatekeeper();
    await expect.poll(attempt).toContain('refused by the test');
  });

  it('gives users kubeconfigs without rights of their own', async () => {
    const user = openKubeClient({ kubeconfig: await cluster.createUserKubeconfig('jane', ['developers']) });
    await expect(user.list(POD_KIND, {}, signal)).rejects.toThrow(/"jane" cannot list resource "pods"/);
    await user.close();
  });

  it('keeps its address after its API server was killed', async () => {
    await cluster.kill('apiserver');
    await expect(client.version(signal)).rejects.toThrow();
    await cluster.start('apiserver');
    expect(await client.version(signal)).toMatch(/^v1\./);
  });

  it('leaves no process when it is stopped', async () => {
    expect(processesOf(stateDir, 'one').length).toBeGreaterThan(0);
    await client.close();
    await cluster.stop();
    expect(processesOf(stateDir, 'one')).toEqual([]);
  });
});

const ended = (child: ChildProcess): Promise<unknown> => new Promise((resolve) => child.once('exit', resolve));

describe('lifetimes', () => {
  it('ends with the parent, even if that is killed during the start', async () => {
    const stateDir = join(scratch, 'parent');
    const options = JSON.stringify({ name: 'two', stateDir, regions: ['eu-west-1'], gatekeeper: false });
    const library = join(clusters, 'local', 'cluster.ts');
    const script = `const { startLocalCluster } = await import(${JSON.stringify(library)}); await startLocalCluster(${options}, new AbortController().signal);`;
    const parent = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: 'ignore' });
    await expect.poll(() => processesOf(stateDir, 'two').length).toBeGreaterThan(0);
    parent.kill('SIGKILL');
    await ended(parent);
    await expect.poll(() => processesOf(stateDir, 'two')).toEqual([]);
  });

  it('an `up` that was killed is cleaned up by `down`, unrecorded processes too', async () => {
    const stateDir = join(scratch, 'crash');
    const dir = join(stateDir, 'clusters', 'eu');
    const main = join(clusters, 'fleet', 'main.ts');
    const up = spawn(process.execPath, [main, 'up', '--clusters', 'eu', '--provider', 'local', '--state-dir', stateDir], {
      stdio: 'ignore',
    });
    await expect.poll(() => processesOf(stateDir, 'eu').length).toBeGreaterThan(0);
    up.kill('SIGKILL');
    await ended(up);
    const stray = spawn('sleep', ['600'], { env: { PATH: '/usr/bin:/bin', [CLUSTER_DIR_VARIABLE]: dir }, stdio: 'ignore' });
    await expect.poll(() => processesOf(stateDir, 'eu').some(({ pid }) => pid === stray.pid)).toBe(true);
    const env = { PATH: process.env['PATH'] };
    expect(await downFleet({ stateDir, env, log: () => {} }, signal)).toEqual(['eu']);
    expect(processesOf(stateDir, 'eu')).toEqual([]);
    expect(existsSync(dir)).toBe(false);
    expect(await downFleet({ stateDir, env, log: () => {} }, signal)).toEqual([]);
  });
});
