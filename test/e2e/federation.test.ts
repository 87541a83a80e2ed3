import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createNamespaces, createWorld, everyClusterProven, type World } from '@fso/clusters/demo';
import { ADMISSION_POLICY_BINDING_KIND, POD_KIND, SOVEREIGN_POLICY_KIND } from '@fso/shared/kube';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { processesOf } from '../harness/left-processes.ts';
import { never, waitFor } from '../harness/waiting.ts';

/** Hub and agents as processes, three clusters, Git over HTTP; people with the `fso` command. */

const root = join(import.meta.dirname, '..', '..');
const signal = never;

let stateDir: string;
let world: World;

interface Run {
  code: number;
  out: string;
  err: string;
}

const fso = (...args: string[]): Promise<Run> =>
  new Promise((resolve) => {
    const env = { ...process.env, FSO_SERVER: world.hubUrl, FSO_TOKEN: world.apiToken };
    execFile(process.execPath, [join(root, 'hub/cli/main.ts'), ...args], { env }, (error, out, err) => {
      resolve({ code: typeof error?.code === 'number' ? error.code : error ? 1 : 0, out, err });
    });
  });

const inCluster = (name: string) => {
  const cluster = world.clusters.find((candidate) => candidate.name === name);
  if (!cluster) throw new Error(name);
  return cluster.kube;
};

const policy = (name: string, namespace: string, regions: readonly string[], extra = ''): string =>
  [
    'apiVersion: compliance.federated.io/v1',
    'kind: SovereignPolicy',
    `metadata: { name: ${name} }`,
    `spec: { targetNamespace: ${namespace}, allowedRegions: [${regions.join(', ')}]${extra} }`,
    '',
  ].join('\n');

beforeAll(async () => {
  stateDir = await mkdtemp(join(tmpdir(), 'fso-e2e-'));
  world = await createWorld({ stateDir, log: () => {} });
  await world.startFleet(signal);
  await createNamespaces(world, signal);
  // Runs before any policy is there, outside of what customer-data will allow.
  await inCluster('us').create(
    POD_KIND,
    {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'from-before', namespace: 'customer-data' },
      spec: {
        nodeSelector: { 'topology.kubernetes.io/region': 'us-west-2' },
        containers: [{ name: 'main', image: 'registry.k8s.io/pause:3.10' }],
      },
    },
    {},
    signal,
  );
  await world.startGit();
  await world.startHub();
  await world.startAgents();
  await everyClusterProven(world, signal);
});

afterAll(async () => {
  await world?.stop();
  expect(processesOf(stateDir)).toEqual([]);
  await rm(stateDir, { recursive: true, force: true });
});

describe('the fso command against a live federation', () => {
  it('status: every cluster at the commit and proven', async () => {
    const { code, out } = await fso('status');
    const { revision } = await world.hub.source();
    expect(code).toBe(0);
    expect(out).toContain(revision?.revision.slice(0, 8));
    const all = { total: 3, connected: 3, disconnected: 0, neverSeen: 0, inSync: 3, proven: 3, tampered: 0 };
    expect((await world.hub.status()).clusters).toEqual(all);
  });

  it('get policies: a table for people, JSON for programs', async () => {
    const table = await fso('get', 'policies');
    expect(table.out).toMatch(/finance-eu\s+.*finance/);
    expect(table.out).not.toContain('\u001b[');
    const json = JSON.parse((await fso('get', 'policies', '-o', 'json')).out);
    expect(JSON.stringify(json)).toContain('"eu-central-1"');
  });

  it('get violations: the pod from before the policy, with the reason', async () => {
    await waitFor(async () => {
      const { out } = await fso('get', 'violations', '-o', 'wide');
      expect(out).toMatch(/us\s.*from-before/);
      expect(out).toContain('us-west-2');
    });
  });

  it('describe: a policy and a cluster', async () => {
    const described = await fso('describe', 'policy', 'finance-eu');
    expect(described.out).toContain('policies/finance-eu.yaml');
    expect((await fso('describe', 'cluster', 'eu')).out).toContain(await inCluster('eu').version(signal));
    expect((await fso('describe', 'policy', 'no-such')).code).not.toBe(0);
  });

  it('wait: returns when a commit is proven, and says who lacks what when it is not in time', async () => {
    const revision = await world.repository.commit({ 'policies/new.yaml': policy('new', 'payroll', ['eu-west-1']) }, 'Add a policy');
    expect(await fso('wait', '--revision', revision, '--timeout', '300s')).toMatchObject({ code: 0 });
    const late = await fso('wait', '--revision', 'f'.repeat(40), '--timeout', '1s');
    expect(late.code).toBe(1);
    expect(late.err).toContain('ffffffff is not proven within 1 s');
  });

  it('says what to do about a wrong token and a hub that is not there', async () => {
    const wrong = await fso('status', '--token', 'wrong-token-wrong-token');
    expect(wrong.code).not.toBe(0);
    expect(wrong.err).toMatch(/token/i);
    const absent = await fso('status', '--server', 'http://127.0.0.1:9');
    expect(absent.code).not.toBe(0);
    expect(absent.err).toContain('127.0.0.1:9');
  });
});

describe('a federation in trouble', () => {
  it('refuses changes to a hub-managed policy, puts a deleted guard back, and tells the hub', async () => {
    const kube = inCluster('eu');
    const ref = { namespace: 'federated-sovereignty-system', name: 'finance-eu' };
    const change = () => kube.mergePatch(SOVEREIGN_POLICY_KIND, ref, { spec: { allowedRegions: ['us-east-1'] } }, signal);
    await expect(change()).rejects.toThrow('comes from Git, and only the agent writes it');
    await expect(kube.delete(SOVEREIGN_POLICY_KIND, ref, signal)).rejects.toThrow('comes from Git, and only the agent writes it');
    await kube.delete(ADMISSION_POLICY_BINDING_KIND, { name: 'fso-guard-policies' }, signal);
    await waitFor(async () => expect(await kube.get(ADMISSION_POLICY_BINDING_KIND, { name: 'fso-guard-policies' }, signal)).toBeDefined());
    await waitFor(async () => expect((await world.hub.status()).clusters.tampered).toBe(1));
    expect((await fso('get', 'events', '--cluster', 'eu')).out).toMatch(/alert +eu +TamperingRepaired/);
  });

  it('catches up after agents were killed and commits went on', async () => {
    await world.killAgents();
    await waitFor(async () => expect((await world.hub.status()).clusters.connected).toBe(0));
    const { out } = await fso('get', 'clusters');
    expect(out).toMatch(/Disconnected/);
    const revision = await world.repository.commit({ 'policies/new.yaml': null }, 'Remove the policy');
    await world.startAgents();
    expect(await fso('wait', '--revision', revision, '--timeout', '600s')).toMatchObject({ code: 0 });
    expect((await world.hub.policies()).map(({ name }) => name)).not.toContain('new');
    expect(
      await inCluster('eu').get(SOVEREIGN_POLICY_KIND, { namespace: 'federated-sovereignty-system', name: 'new' }, signal),
    ).toBeUndefined();
  });
});
