import { AGENT_REGIONS, NODES_PARAMETERS, SYSTEM_NAMESPACE } from '@fso/shared/api';
import { CONFIG_MAP_KIND, FLOOR_PARAMETERS_KIND, type KubeClient, NODE_KIND } from '@fso/shared/kube';
import { beforeAll, describe, expect, it } from 'vitest';
import { openKubeClient } from '../harness/kube-client.ts';
import { CATALOG, ISTANBUL, nodeAt } from '../harness/node-places.ts';
import { catalogFile, clusterFile } from '../harness/policy-files.ts';
import { never as signal, waitFor } from '../harness/waiting.ts';
import { useMaliciousHub } from './malicious-hub-harness.ts';

const bench = useMaliciousHub();
const CATALOG_FILE = { 'regions/catalog.yaml': catalogFile(CATALOG) };
/** The same catalogue, in which the zone lies in the country of its region. */
const FORGED_FILE = {
  'regions/catalog.yaml': catalogFile({ ...CATALOG, version: 'forged', regions: CATALOG.regions.map(({ zones: _, ...region }) => region) }),
};

describe('the catalogue of regions', () => {
  let cloud: KubeClient;

  const listed = async () => (await bench.client.get(FLOOR_PARAMETERS_KIND, { name: NODES_PARAMETERS }, signal))?.spec?.nodes?.['istanbul'];
  const stored = async () => {
    const map = await bench.client.get(CONFIG_MAP_KIND, { namespace: SYSTEM_NAMESPACE, name: AGENT_REGIONS }, signal);
    return map?.binaryData;
  };
  const refused = async (files: Record<string, string | undefined>, key: Parameters<typeof bench.aside>[1]) => {
    const revision = bench.aside(files, key);
    return bench.refusalOf(revision, async () => bench.hub.send(await bench.offerOf(revision)));
  };

  beforeAll(async () => {
    cloud = openKubeClient({ kubeconfig: await bench.cluster.createUserKubeconfig('system:cloud-controller-manager', ['system:masters']) });
    bench.cleanUp(() => cloud.close());
    const text = { region: 'eu-central-1', zone: ISTANBUL, providerID: `aws:///${ISTANBUL}/i-1` };
    await cloud.create(NODE_KIND, nodeAt('istanbul', text), {}, signal);
    await waitFor(async () => expect(await listed()).toBe('eu-central-1'));
  });

  it('changes nothing in a commit that is unsigned, or signed by a stranger', async () => {
    expect(await refused(CATALOG_FILE, null)).toEqual(['unsigned']);
    expect(await refused(CATALOG_FILE, bench.eve)).toEqual(['signer-unknown']);
    expect([await listed(), await stored()]).toEqual(['eu-central-1', undefined]);
  });

  it('changes nothing in a commit that is not valid', async () => {
    expect(await refused({ 'regions/catalog.yaml': `${catalogFile(CATALOG)}  more: 1\n` }, bench.ana)).toHaveLength(1);
    expect([await listed(), await stored()]).toEqual(['eu-central-1', undefined]);
  });

  it('judges nodes once a signed commit has it, and is kept', async () => {
    await bench.goesOn(CATALOG_FILE);
    await waitFor(async () => expect(await listed()).toBe(ISTANBUL));
    expect(Object.keys((await stored()) ?? {})).toHaveLength(1);
  });

  it('cannot be replaced or removed by anyone else', async () => {
    const before = await stored();
    for (const files of [FORGED_FILE, { 'regions/catalog.yaml': undefined }]) expect(await refused(files, null)).toEqual(['unsigned']);
    expect([await listed(), await stored()]).toEqual([ISTANBUL, before]);
  });

  it('outlives a restart without a hub', async () => {
    await bench.agent.stop();
    await bench.client.delete(NODE_KIND, { name: 'istanbul' }, signal);
    bench.agent = await bench.startAgent('ws://127.0.0.1:9');
    const text = { region: 'eu-central-1', zone: ISTANBUL };
    await cloud.create(NODE_KIND, nodeAt('istanbul', text), {}, signal);
    await waitFor(async () => expect(await listed()).toBe(ISTANBUL));
    await bench.agent.stop();
  });

  it('is requested again where the stored one was changed, and until then lists do not change', async () => {
    const greeted = bench.hub.got('hello').length;
    const metadata = { namespace: SYSTEM_NAMESPACE, name: AGENT_REGIONS };
    const system = openKubeClient({
      kubeconfig: await bench.cluster.createUserKubeconfig('system:serviceaccount:federated-sovereignty-system:fso-agent', [
        'system:masters',
      ]),
    });
    const [digest = ''] = Object.keys((await stored()) ?? {});
    await system.mergePatch(CONFIG_MAP_KIND, metadata, { binaryData: { [digest]: Buffer.from('junk').toString('base64') } }, signal);
    await system.close();
    bench.agent = await bench.startAgent(bench.hub.url, { until: 'alive' });
    await bench.greeted(greeted + 1);
    const readiness = async () => (await fetch(`${bench.agent.url}/readyz`)).text();
    expect(await readiness()).toMatch(/^not observed: index/);
    expect(await listed()).toBe(ISTANBUL);
    bench.hub.send(await bench.offerOf(bench.head));
    await waitFor(() => expect(bench.hub.got('ack').filter(({ revision }) => revision === bench.head)).toHaveLength(2));
    expect(await listed()).toBe(ISTANBUL);
    expect((await stored())?.[digest]).not.toBe(Buffer.from('junk').toString('base64'));
    await waitFor(async () => expect(await readiness()).toBe('ok\n'));
  });

  it('gives its nodes back to their labels once a signed commit removes it', async () => {
    const next = bench.repository.commit({ 'regions/catalog.yaml': undefined, 'clusters/eu.yaml': clusterFile('eu', ['eu-west-1']) });
    bench.hub.send(await bench.offerOf(next));
    await bench.acked(next);
    await waitFor(async () => expect(await listed()).toBe('eu-central-1'));
  });
});
