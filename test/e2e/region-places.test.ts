import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createHubClient, type HubClient } from '@fso/hub/client';
import { CONDITIONS, NODES_PARAMETERS, REGION_LABEL, SYSTEM_NAMESPACE } from '@fso/shared/api';
import { EVENT_KIND, FLOOR_PARAMETERS_KIND, NODE_KIND, POD_KIND, type Pod, SOVEREIGN_POLICY_KIND } from '@fso/shared/kube';
import { parseSigners } from '@fso/shared/signatures';
import type { TrustConfig } from '@fso/shared/trust';
import { beforeAll, describe, it } from 'vitest';
import { type GitRepository, makeSigningKey, openGitRepository } from '../../clusters/demo/git-repository.ts';
import { runFso } from '../../hub/cli/testing/run-fso.ts';
import type { RunningHub } from '../../hub/hub.ts';
import { TEST_CATALOG } from '../../shared/regions/testing/catalogue.ts';
import { expect, expectAccessible } from '../browser/harness/dashboard.ts';
import { useDashboard } from '../browser/harness/suite.ts';
import { ClusterHarness } from '../harness/cluster-harness.ts';
import { accepted, type HubHarness, openHubHarness } from '../harness/hub-harness.ts';
import { refusalOf } from '../harness/kube-client.ts';
import { ISTANBUL, type NodeText, nodeAt } from '../harness/node-places.ts';
import { catalogFile, clusterFile, policyFile } from '../harness/policy-files.ts';
import { eventually, never as signal } from '../harness/waiting.ts';

/**
 * Tests two clusters with nodes of two providers, which read one name of one signed commit as two
 * places: from the commit to pods, API, command and dashboard.
 */

const WEST = 'eu-west-1';
const CENTRAL = 'eu-central-1';
const CLUSTERS = ['alibaba', 'aws'] as const;
type Name = (typeof CLUSTERS)[number];

const LONDON: NodeText = { region: WEST, zone: 'eu-west-1a', providerID: 'eu-west-1.i-d7o0000000000000000a' };

/** Nodes beside those in `eu-west-1` that name no provider. */
const NODES: Readonly<Record<Name, Readonly<Record<string, NodeText>>>> = {
  alibaba: {
    london: LONDON,
    frankfurt: { region: CENTRAL, zone: 'eu-central-1a', providerID: 'eu-central-1.i-d7o0000000000000000b' },
  },
  aws: {
    ireland: { region: WEST, zone: 'eu-west-1a', providerID: 'aws:///eu-west-1a/i-01' },
    frankfurt: { region: CENTRAL, zone: 'eu-central-1a', providerID: 'aws:///eu-central-1a/i-02' },
    istanbul: { region: CENTRAL, zone: ISTANBUL, providerID: `aws:///${ISTANBUL}/i-03` },
  },
};

const fail = (text: string): never => {
  throw new Error(text);
};

describe('regions that mean one place', () => {
  let bench: HubHarness;
  let hub: RunningHub;
  let api: HubClient;
  let repository: GitRepository;
  let revision: string;
  const worlds = new Map<Name, ClusterHarness>();
  const world = (name: Name): ClusterHarness => worlds.get(name) ?? fail(`no cluster ${name}`);

  const fso = (...args: string[]) => runFso(args, { FSO_SERVER: hub.url });
  const podIn = (name: string, nodeSelector: Record<string, string>): Pod => ({
    metadata: { namespace: 'finance', name },
    spec: { containers: [{ name: 'main', image: 'app:1' }], nodeSelector },
  });
  /** Refusal of a pod in a region; '': it is admitted. */
  const tryPod = (name: Name, region: string) =>
    refusalOf(world(name).client.create(POD_KIND, podIn('tried', { [REGION_LABEL]: region }), { dryRun: true }, signal));
  const addNode = (name: Name, node: string, text: NodeText) => world(name).client.create(NODE_KIND, nodeAt(node, text), {}, signal);
  const inForce = async (cluster: Name) => {
    const path = { namespace: SYSTEM_NAMESPACE, name: 'finance' };
    return (await world(cluster).client.get(SOVEREIGN_POLICY_KIND, path, signal))?.status?.effectiveRegions;
  };

  beforeAll(async () => {
    bench = await openHubHarness();
    const key = (await makeSigningKey(join(bench.folder, 'keys'))) ?? fail('no ssh-keygen');
    const signers = parseSigners({ allowedSigners: await readFile(key.allowedSigners, 'utf8'), keyring: undefined });
    const trust: TrustConfig = { mode: 'strict', signers };
    repository = await openGitRepository(join(bench.folder, 'signed'), bench.git.url('policies.git'), key);
    const registrations = CLUSTERS.map((name) => [`clusters/${name}.yaml`, clusterFile(name, [WEST])] as const);
    const files = { 'regions/catalog.yaml': catalogFile(TEST_CATALOG), 'policies/finance.yaml': policyFile('finance', ['group:eu']) };
    revision = await repository.commit({ ...Object.fromEntries(registrations), ...files }, 'Keep finance in the EU');
    const tokens = new Map(CLUSTERS.map((name) => [name, `token-of-${name}-0123456789`]));
    hub = await bench.startHub({ config: { agentTokens: tokens }, gitConfig: { trust } });
    api = createHubClient({ server: hub.url });
    await Promise.all(
      CLUSTERS.map(async (name) => {
        const started = await ClusterHarness.start({ name: `places-${name}`, gatekeeper: false }, signal);
        worlds.set(name, started);
        await started.makeNamespace('finance');
        await Promise.all(Object.entries(NODES[name]).map(([node, text]) => addNode(name, node, text)));
        const access = { url: hub.agentUrl, token: tokens.get(name), enrolToken: undefined, enrolTokenFile: undefined, ca: undefined };
        await started.startAgent(name, { cluster: name, trust, hub: access });
      }),
    );
    await accepted(hub, revision);
    return async () => {
      await Promise.all([...worlds.values()].map((started) => started.close()));
      await bench.close();
    };
  });

  const dashboard = useDashboard(() => hub.url);

  it('is one signed commit that both clusters have verified and proven', async () => {
    for (const cluster of CLUSTERS) {
      const { report } = await eventually(async () => {
        const detail = await api.policyDetail('finance', cluster);
        return detail.report?.phase === 'Active' && detail.report.revision === revision && detail;
      });
      expect(report?.revision).toBe(revision);
      // A later frame than the one of the policy may bring it.
      await eventually(async () => (await api.cluster(cluster)).report?.verification === 'verified');
    }
  });

  it('admits eu-west-1 where it is Ireland, and refuses it where it is London', async () => {
    await eventually(async () => (await inForce('aws'))?.includes(WEST) === true);
    await eventually(async () => (await inForce('alibaba'))?.includes(WEST) === false);
    expect(await tryPod('aws', WEST)).toBe('');
    expect(await tryPod('alibaba', WEST)).toContain(`region "${WEST}"`);
    for (const cluster of CLUSTERS) expect(await tryPod(cluster, CENTRAL)).toBe('');
  });

  it('binds no pod to the zone in Istanbul, and one to Frankfurt beside it', async () => {
    const { client } = world('aws');
    await eventually(async () => {
      const { nodes } = (await client.get(FLOOR_PARAMETERS_KIND, { name: NODES_PARAMETERS }, signal))?.spec ?? {};
      return nodes?.['istanbul'] === ISTANBUL && nodes['frankfurt'] === CENTRAL;
    });
    for (const node of ['frankfurt', 'istanbul'])
      await client.create(POD_KIND, podIn(node, { [REGION_LABEL]: CENTRAL, 'kubernetes.io/hostname': node }), {}, signal);
    await eventually(async () => (await client.get(POD_KIND, { namespace: 'finance', name: 'frankfurt' }, signal))?.spec.nodeName);
    const refused = await eventually(async () =>
      (await client.list(EVENT_KIND, { namespace: 'finance' }, signal)).find(
        ({ involvedObject, message }) => involvedObject.name === 'istanbul' && message.includes('fso-floor-bindings-deny'),
      ),
    );
    expect(refused.message).toContain(`is in region "${ISTANBUL}"`);
    expect((await client.get(POD_KIND, { namespace: 'finance', name: 'istanbul' }, signal))?.spec.nodeName).toBeUndefined();
  });

  it('reports a region as ambiguous while nodes in it may be of another provider, and no other', async () => {
    const { report } = await api.policyDetail('finance', 'alibaba');
    expect(report?.conditions.find(({ type }) => type === CONDITIONS.regionAmbiguous)?.message).toMatch(
      /outside in this cluster: eu-west-1, /,
    );
  });

  it('reports no region as ambiguous in a cluster that declares its provider', async () => {
    const declared = clusterFile('alibaba', [CENTRAL]).replace('spec:', 'spec:\n  provider: alibaba');
    await repository.commit({ 'clusters/alibaba.yaml': declared }, 'Declare a provider');
    hub.source.hint();
    // The names that the provider has, and no others any more.
    await eventually(async () => (await inForce('alibaba'))?.join() === CENTRAL);
    await eventually(async () => {
      const { report } = await api.policyDetail('finance', 'alibaba');
      return report?.phase === 'Active' && !report.conditions.some(({ type }) => type === CONDITIONS.regionAmbiguous);
    });
    expect(await tryPod('alibaba', WEST)).toContain(`region "${WEST}"`);
    expect(await tryPod('alibaba', CENTRAL)).toBe('');
  });

  describe('once a node of the other provider joins', () => {
    beforeAll(async () => {
      await addNode('aws', 'london', LONDON);
    });

    /** The condition in the words of the agent, which the hub asks: reports have its type alone. */
    const ambiguity = async () => {
      const { report } = await api.policyDetail('finance', 'aws');
      return report?.conditions.find(({ type, reason }) => type === CONDITIONS.regionAmbiguous && reason === 'ProvidersDiffer');
    };

    it('counts the name as outside, and reports it at the API', async () => {
      await eventually(async () => (await tryPod('aws', WEST)).includes(`region "${WEST}"`));
      expect(await tryPod('aws', CENTRAL)).toBe('');
      expect(await eventually(ambiguity)).toMatchObject({ status: 'True', message: expect.stringContaining(WEST) });
      const group = (await api.issues()).items.find(({ name }) => name === 'RegionAmbiguous');
      expect(group?.issues.map(({ cluster, policy }) => [cluster, policy])).toContainEqual(['aws', 'finance']);
    });

    it('shows at the command which region is outside, and explains its places', async () => {
      await eventually(ambiguity);
      await eventually(async () => {
        const { out } = await fso('describe', 'policy', 'finance', '--cluster', 'aws');
        return /RegionAmbiguous +True +ProvidersDiffer .*outside in this cluster: eu-west-1/.test(out);
      });
      const explained = await runFso(['regions', 'explain', WEST, '--dir', join(bench.folder, 'signed')]);
      expect(explained.out).toContain('aws/eu-west-1: Ireland');
      expect(explained.out).toContain('alibaba/eu-west-1: United Kingdom');
    });

    it('shows on the page of the policy in which cluster a region is outside', async () => {
      await eventually(ambiguity);
      const page = await dashboard.open('/policies/finance');
      const row = page
        .getByRole('grid', { name: 'Conditions' })
        .or(page.getByRole('table', { name: 'Conditions' }))
        .getByRole('row');
      await expect(row.filter({ hasText: 'RegionAmbiguous' })).toContainText(WEST);
      await expect(row.filter({ hasText: 'RegionAmbiguous' })).toContainText('aws');
      await expectAccessible(page);
    });
  });
});
