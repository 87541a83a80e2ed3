import { API_VERSION, type KubeObject, ProcessingReport, REGION_LABEL } from '@fso/shared/api';
import { NODE_KIND, POD_KIND } from '@fso/shared/kube';
import { SEED_CATALOG } from '@fso/shared/regions/seed';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { RunningHub } from '../../hub/hub.ts';
import { ClusterHarness } from '../harness/cluster-harness.ts';
import { type HubHarness, openHubHarness, TOKENS } from '../harness/hub-harness.ts';
import { clusterFile, policyFile } from '../harness/policy-files.ts';
import { eventually } from '../harness/waiting.ts';

const ZONE_LABEL = 'topology.kubernetes.io/zone';

/** Nodes by name: region, zone, `spec.providerID`. */
const NODES: Readonly<Record<string, readonly [region: string, zone: string, providerID: string]>> = {
  dublin: ['eu-west-1', 'eu-west-1a', 'aws:///eu-west-1a/i-0123456789abcdef0'],
  istanbul: ['eu-central-1', 'eu-central-1-ist-1a', 'aws:///eu-central-1-ist-1a/i-0123456789abcdef1'],
  london: ['eu-west-1', 'eu-west-1a', 'eu-west-1.i-0123456789abcdefghij'],
  liar: ['eu-west-1', 'eu-west-1a', 'aws:///us-east-1a/i-0123456789abcdef2'],
};

/** A real control plane whose nodes are of two clouds, its agent, and a hub. */
describe('countries of processing', () => {
  const stop = new AbortController();
  const { signal } = stop;
  let world: ClusterHarness;
  let bench: HubHarness;
  let hub: RunningHub;

  const apply = (kind: typeof NODE_KIND | typeof POD_KIND, object: object): Promise<unknown> =>
    world.client.apply(kind as typeof NODE_KIND, object as KubeObject & { kind?: string }, { fieldManager: 'test' }, signal);
  const report = async (): Promise<ProcessingReport> =>
    ProcessingReport.parse(await (await fetch(`${hub.url}/api/v1/reports/processing`)).json());

  beforeAll(async () => {
    world = await ClusterHarness.start({ name: 'processing', gatekeeper: false }, signal);
    await world.makeNamespace('finance');
    for (const [name, [region, zone, providerID]] of Object.entries(NODES)) {
      await apply(NODE_KIND, { metadata: { name, labels: { [REGION_LABEL]: region, [ZONE_LABEL]: zone } }, spec: { providerID } });
      // Made before the policy: afterwards nobody may choose the node of a pod.
      const spec = { nodeName: name, containers: [{ name: 'main', image: 'app:1' }] };
      await apply(POD_KIND, { metadata: { namespace: 'finance', name: `on-${name}` }, spec });
    }
    bench = await openHubHarness();
    await bench.repository.commit(
      {
        'clusters/eu.yaml': clusterFile('eu', ['eu-west-1']),
        'clusters/us.yaml': clusterFile('us', ['us-east-1']),
        'policies/finance.yaml': policyFile('finance', ['aws/eu-west-1']),
        'regions/catalog.yaml': JSON.stringify({
          apiVersion: API_VERSION,
          kind: 'RegionCatalog',
          metadata: { name: 'catalog' },
          spec: SEED_CATALOG,
        }),
      },
      'first',
    );
    hub = await bench.startHub();
    await world.startAgent('processing', {
      cluster: 'eu',
      hub: { url: hub.agentUrl, token: TOKENS.get('eu'), enrolToken: undefined, enrolTokenFile: undefined, ca: undefined },
    });
  });
  afterAll(async () => {
    await world.close();
    await bench.close();
    stop.abort();
  });

  it('are those of the nodes on which pods run, by the catalogue of the commit', async () => {
    const { processing, unknownClusters } = await eventually(async () => {
      const found = await report();
      return found.processing.some(({ country }) => country !== null) && found;
    });
    expect(processing.map(({ namespace, country, provider, region, pods }) => [namespace, country, provider, region, pods])).toEqual([
      ['finance', null, null, '', 1],
      ['finance', 'GB', 'alibaba', 'eu-west-1', 1],
      ['finance', 'TR', 'aws', 'eu-central-1-ist-1a', 1],
      ['finance', 'IE', 'aws', 'eu-west-1', 1],
    ]);
    expect(unknownClusters).toEqual(['us']);
  });
});
