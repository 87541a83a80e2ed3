import { CONDITIONS, NODES_PARAMETERS, REGION_LABEL, ZONE_LABEL } from '@fso/shared/api';
import { EVENT_KIND, NODE_KIND, SOVEREIGN_POLICY_KIND } from '@fso/shared/kube';
import { BINDING_VIOLATIONS } from '@fso/shared/residency';
import { beforeAll, describe, expect, it } from 'vitest';
import { bindingSentence, EU, FloorHarness, MODES } from '../harness/floor-harness.ts';
import { acceptPlaces, CATALOG, ISTANBUL, type NodeText, nodeAt } from '../harness/node-places.ts';
import { eventually } from '../harness/waiting.ts';

const IRELAND: NodeText = { region: EU, zone: 'eu-west-1a', providerID: 'aws:///eu-west-1a/i-01' };
const SWAPPED: NodeText = { region: EU, zone: 'us-east-1a', providerID: 'aws:///us-east-1a/i-02' };
const LIAR: NodeText = { region: EU, zone: 'eu-west-1a', providerID: 'aws:///us-east-1a/i-03' };
const LONDON: NodeText = { region: EU, providerID: 'eu-west-1.i-d7o0000000000000000a' };
const TURKEY: NodeText = { region: 'eu-central-1', zone: ISTANBUL, providerID: `aws:///${ISTANBUL}/i-04` };

describe.each(MODES)('places of nodes, with regions by $mode', (mode) => {
  let world: FloorHarness;

  const add = (name: string, text: NodeText) => world.client.create(NODE_KIND, nodeAt(name, text), {}, world.signal);
  const remove = (...names: string[]) => Promise.all(names.map((name) => world.client.delete(NODE_KIND, { name }, world.signal)));
  const listed = async (name: string) => (await world.parameters(NODES_PARAMETERS)).nodes?.[name];
  const bindTo = (node: string, namespace = 'finance') => world.tryBind({ as: world.trusted, node, namespace });
  const ofCluster = (type: string) => world.agent.observatory.snapshot().cluster.conditions.find((condition) => condition.type === type);

  beforeAll(async () => {
    world = await FloorHarness.start('node-places', mode, (client, signal) => acceptPlaces(client, { catalog: CATALOG }, signal));
    await world.makeNamespace('central');
    await world.createPod('central', 'waiting', { stage: 'never' });
    await world.applyPolicy('central', { targetNamespace: 'central', allowedRegions: ['eu-central-1'] });
    await world.reaches('central', 'Active');
    return () => world.end();
  });

  it('binds to nodes whose providerID, zone and region agree', async () => {
    await add('ireland', IRELAND);
    await eventually(async () => (await listed('ireland')) === EU);
    expect(await bindTo('ireland')).toBe('');
    await eventually(() => ofCluster(CONDITIONS.nodesDisputed)?.status === 'False');
    expect(ofCluster(CONDITIONS.nodesDisputed)?.message).toContain('catalogue test-1: 1 nodes confirmed');
    await remove('ireland');
  });

  it.each([
    ['whose labels were swapped', SWAPPED],
    ['whose providerID lies', LIAR],
  ])('binds to no node %s, with an event on the node and a condition of the cluster', async (_what, text) => {
    const events: string[] = [];
    const forget = world.agent.observatory.onEvent(({ reason, message }) => events.push(`${reason}: ${message}`));
    await add('liar', text);
    await eventually(async () => (await listed('liar')) === '');
    await eventually(async () => (await bindTo('liar')).includes(bindingSentence(BINDING_VIOLATIONS.unknown('liar'))));
    await eventually(() => ofCluster(CONDITIONS.nodesDisputed)?.status === 'True');
    expect(ofCluster(CONDITIONS.nodesDisputed)?.message).toContain('liar: ');
    expect(events.find((event) => event.startsWith('NodeDisputed: node liar'))).toContain('us-east-1');
    await eventually(async () =>
      (await world.client.list(EVENT_KIND, { namespace: 'default' }, world.signal)).some(
        ({ reason, involvedObject }) => reason === 'NodeDisputed' && involvedObject.name === 'liar',
      ),
    );
    expect(await (await fetch(`${world.agent.url}/metrics`)).text()).toMatch(/^fso_agent_disputed_nodes\{.*\} 1$/m);
    forget();
    await remove('liar');
    await eventually(() => ofCluster(CONDITIONS.nodesDisputed)?.status === 'False');
  });

  it('binds to no node in a zone abroad, from its first moment where Bindings have zones', async () => {
    await world.pause();
    await add('istanbul', TURKEY);
    const text = await bindTo('istanbul', 'central');
    // In the older mode a node that no agent has listed has no region.
    expect(text).toContain(mode.mode === 'label' ? `is in region "${ISTANBUL}"` : 'has no known region');
    await world.resume();
    await eventually(async () => (await listed('istanbul')) === ISTANBUL);
    await eventually(async () => (await bindTo('istanbul', 'central')).includes(`is in region "${ISTANBUL}"`));
    expect(await bindTo(`${EU}-a`)).toBe('');
    await remove('istanbul');
  });

  it('keeps the places of nodes after a restart without a hub', async () => {
    await add('liar', LIAR);
    await eventually(async () => (await listed('liar')) === '');
    await world.pause();
    await world.resume();
    expect(await listed('liar')).toBe('');
    await eventually(() => ofCluster(CONDITIONS.nodesDisputed)?.status === 'True');
    await remove('liar');
  });

  it('counts a region that two providers of its nodes mean differently as outside, until one of them is gone', async () => {
    await add('ireland', IRELAND);
    await eventually(async () => (await bindTo('ireland')) === '');
    await add('london', LONDON);
    for (const node of ['ireland', 'london']) await eventually(async () => (await bindTo(node)).includes('fso-floor-bindings-deny'));
    const status = await eventually(async () => {
      const policy = await world.client.get(SOVEREIGN_POLICY_KIND, { namespace: 'default', name: 'finance' }, world.signal);
      return policy?.status?.effectiveRegions?.length === 0 ? policy.status : undefined;
    });
    expect(status.conditions?.find(({ type }) => type === CONDITIONS.regionAmbiguous)).toMatchObject({
      status: 'True',
      reason: 'ProvidersDiffer',
      message: expect.stringContaining('alibaba, aws'),
    });
    expect(await world.tryPod('finance', EU)).toContain('fso-floor-pods-deny');
    await remove('london');
    await eventually(async () => (await bindTo('ireland')) === '');
    await eventually(async () => (await world.policy('finance'))?.status?.effectiveRegions?.[0] === EU);
    expect((await world.policy('finance'))?.status?.conditions?.map(({ type }) => type)).not.toContain(CONDITIONS.regionAmbiguous);
    await remove('ireland');
  });

  it('reports pods that run on a node which turns out to be elsewhere', async () => {
    await add('late', { region: EU, zone: 'eu-west-1a' });
    await eventually(async () => (await listed('late')) === EU);
    await world.createPod('finance', 'runs', { [REGION_LABEL]: EU, 'kubernetes.io/hostname': 'late' });
    await eventually(() => world.nodeOf('finance', 'runs'));
    await world.client.mergePatch(NODE_KIND, { name: 'late' }, { spec: { providerID: 'aws:///us-east-1a/i-05' } }, world.signal);
    const found = await eventually(() => {
      const { report } = world.agent.observatory.snapshot().policies.get('default/finance') ?? {};
      return report?.violationSamples.find(({ name }) => name === 'runs');
    });
    expect(found).toMatchObject({ node: 'late', reason: expect.stringContaining('contradicts itself') });
    await remove('late');
  });

  it('reports a providerID that cannot be read, and believes the label', async () => {
    const events: string[] = [];
    const forget = world.agent.observatory.onEvent(({ reason, message }) => events.push(`${reason}: ${message}`));
    await add('long', { region: EU, zone: 'eu-west-1a', providerID: `aws:///${'x'.repeat(3_000)}` });
    await eventually(async () => (await listed('long')) === EU);
    await eventually(() => events.some((event) => event.startsWith('Malformed') && event.includes('long')));
    expect((await world.client.get(NODE_KIND, { name: 'long' }, world.signal))?.metadata.labels?.[ZONE_LABEL]).toBe('eu-west-1a');
    forget();
    await remove('long');
  });

  it('lists over 100 nodes that contradict themselves by their regions, and none of those counts', async () => {
    const names = Array.from({ length: 101 }, (_, index) => `many-${index}`);
    await Promise.all(names.map((name) => add(name, LIAR)));
    await eventually(async () => (await world.parameters(NODES_PARAMETERS)).disputedRegions?.includes(EU));
    await eventually(async () => (await bindTo(`${EU}-a`)).includes(bindingSentence(BINDING_VIOLATIONS.unknown(`${EU}-a`))));
    await eventually(() => ofCluster(CONDITIONS.nodesDisputed)?.message.includes('over 100'));
    await remove(...names);
    await eventually(async () => (await bindTo(`${EU}-a`)) === '');
  });
});
