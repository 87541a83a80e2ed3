import { type ClusterEvent, type KubeObject, NAMESPACES_PARAMETERS, NODES_PARAMETERS, REGION_LABEL } from '@fso/shared/api';
import {
  ADMISSION_POLICY_KIND,
  CRD_KIND,
  FLOOR_PARAMETERS_KIND,
  type KindDescriptor,
  NODE_KIND,
  type Node,
  POD_KIND,
  type Pod,
} from '@fso/shared/kube';
import { BINDING_VIOLATIONS } from '@fso/shared/residency';
import { beforeAll, describe, expect, it } from 'vitest';
import { type Attempt, bindingSentence, EU, FloorHarness, MODES, US } from '../harness/floor-harness.ts';
import { eventually } from '../harness/waiting.ts';

const DAEMON_SET_KIND: KindDescriptor = { apiVersion: 'apps/v1', kind: 'DaemonSet', plural: 'daemonsets', namespaced: true };

describe.each(MODES)('the bind gate by $mode', ({ mode, version, apiServerArgs }) => {
  let world: FloorHarness;

  beforeAll(async () => {
    world = await FloorHarness.start('bind-gate', { mode, version, apiServerArgs });
    return () => world.end();
  });

  it('runs on the intended API server, without type warnings', async () => {
    expect(await world.client.version(world.signal)).toMatch(version);
    await world.createPod('free', 'placed', { [REGION_LABEL]: US });
    await eventually(() => world.nodeOf('free', 'placed'));
    const placed = await world.client.get(POD_KIND, { namespace: 'free', name: 'placed' }, world.signal);
    expect(placed?.metadata.labels?.[REGION_LABEL]).toBe(mode === 'label' ? US : undefined);
    for (const { metadata, status } of await world.client.list(ADMISSION_POLICY_KIND, {}, world.signal)) {
      expect(status?.typeChecking?.expressionWarnings ?? [], metadata.name).toEqual([]);
    }
  });

  it('knows every node', async () => {
    const listed = { [`${EU}-a`]: EU, [`${EU}-b`]: EU, [`${US}-a`]: US, [`${US}-b`]: US, nowhere: '' };
    expect((await world.parameters(NODES_PARAMETERS)).nodes).toEqual(listed);
    expect((await world.parameters(NAMESPACES_PARAMETERS)).nodes).toEqual(mode === 'list' ? listed : {});
  });

  it('admits bindings of a trusted binder to nodes inside, and leaves other namespaces alone', async () => {
    expect(await world.tryBind({ as: world.trusted })).toBe('');
    expect(await world.tryBind({ as: world.stranger, node: `${US}-a`, namespace: 'free' })).toBe('');
  });

  it.each<[string, () => Attempt, string]>([
    ['outside', () => ({ as: world.trusted, node: `${US}-a` }), BINDING_VIOLATIONS.region(`${US}-a`, US)],
    ['by the legacy route', () => ({ as: world.trusted, legacy: true }), BINDING_VIOLATIONS.legacy],
    ['to no kind', () => ({ as: world.trusted, kind: '' }), BINDING_VIOLATIONS.noNode],
    ['by another user', () => ({ as: world.stranger }), BINDING_VIOLATIONS.binder('stranger')],
    [
      'by another user to a node outside, with a forged region',
      () => ({ as: world.stranger, node: `${US}-a`, labels: { [REGION_LABEL]: EU } }),
      `${BINDING_VIOLATIONS.binder('stranger')}, ${BINDING_VIOLATIONS.region(`${US}-a`, US)}`,
    ],
    ['by the agent, though it is configured as a binder', () => ({ as: world.client }), BINDING_VIOLATIONS.binder('fso-admin')],
    ['to a node without a region', () => ({ as: world.trusted, node: 'nowhere' }), BINDING_VIOLATIONS.unknown('nowhere')],
    [
      'to a node without a region, with a forged region',
      () => ({ as: world.trusted, node: 'nowhere', labels: { [REGION_LABEL]: EU } }),
      BINDING_VIOLATIONS.unknown('nowhere'),
    ],
    ['to a node that does not exist', () => ({ as: world.trusted, node: 'ghost' }), BINDING_VIOLATIONS.unknown('ghost')],
    [
      'outside, with a forged region',
      () => ({ as: world.trusted, node: `${US}-a`, labels: { [REGION_LABEL]: EU } }),
      BINDING_VIOLATIONS.region(`${US}-a`, US),
    ],
  ])('refuses a Binding %s', async (_name, attempt, violation) => {
    const answer = await world.tryBind(attempt());
    expect(answer).toContain("'fso-floor-bindings-deny'");
    expect(answer).toContain(bindingSentence(violation));
  });

  it('holds a pod from before the policy until the scheduler finds a node inside', async () => {
    await world.label(NODE_KIND, `${US}-a`, { stage: 'open' });
    await world.refusedByScheduler('finance', 'waiting', 'fso-floor-bindings-deny');
    expect(await world.nodeOf('finance', 'waiting')).toBeUndefined();
    await world.label(NODE_KIND, `${US}-a`, { stage: null });
    await world.label(NODE_KIND, `${EU}-a`, { stage: 'open' });
    expect(await eventually(() => world.nodeOf('finance', 'waiting'))).toBe(`${EU}-a`);
  });

  it('lets pods of a DaemonSet run on nodes inside, and on no other', async () => {
    const template = { metadata: { labels: { app: 'd' } }, spec: { containers: [{ name: 'main', image: 'app:1' }] } };
    const spec = { selector: { matchLabels: { app: 'd' } }, template };
    await world.client.create(DAEMON_SET_KIND, { metadata: { namespace: 'finance', name: 'd' }, spec } as KubeObject, {}, world.signal);
    const pods = async (): Promise<readonly Pod[]> =>
      world.client.list(POD_KIND, { namespace: 'finance', labelSelector: 'app=d' }, world.signal);
    await eventually(async () => (await pods()).filter(({ spec: { nodeName } }) => nodeName !== undefined).length === 2);
    await eventually(async () => (await pods()).length >= 4);
    const waiting = (await pods()).filter(({ spec: { nodeName } }) => nodeName === undefined);
    for (const { metadata } of waiting.slice(0, 2)) await world.refusedByScheduler('finance', metadata.name, 'fso-floor-bindings-deny');
    const nodes = (await pods()).flatMap(({ spec: { nodeName } }) => nodeName ?? []);
    expect(nodes.sort()).toEqual([`${EU}-a`, `${EU}-b`]);
    await world.client.delete(DAEMON_SET_KIND, { namespace: 'finance', name: 'd' }, world.signal);
  });

  it('admits a binding to a node that joins, and follows a relabelled node', async () => {
    const size = { cpu: '8', memory: '8Gi', pods: '100' };
    const labels = { [REGION_LABEL]: EU, 'kubernetes.io/hostname': 'joined' };
    const joined = {
      metadata: { name: 'joined', labels, annotations: { 'kwok.x-k8s.io/node': 'fake' } },
      status: { allocatable: size, capacity: size },
    } as Node;
    await world.client.create(NODE_KIND, joined, {}, world.signal);
    await world.createPod('finance', 'newcomer', labels);
    expect(await eventually(() => world.nodeOf('finance', 'newcomer'))).toBe('joined');
    // What the agent never saw inside has not moved for it.
    await eventually(async () => (await world.parameters(NODES_PARAMETERS)).nodes?.['joined'] === EU);
    const events: ClusterEvent[] = [];
    const forget = world.agent.observatory.onEvent((event) => events.push(event));
    await world.label(NODE_KIND, 'joined', { [REGION_LABEL]: US });
    await eventually(() =>
      events.some(({ reason, message }) => reason === 'NodeMoved' && message.includes(`in region ${US} now, it was in ${EU}`)),
    );
    forget();
    await eventually(async () => (await world.parameters(NODES_PARAMETERS)).nodes?.['joined'] === US);
    await eventually(async () =>
      (await world.tryBind({ as: world.trusted, node: 'joined', labels: { [REGION_LABEL]: EU } })).includes(
        BINDING_VIOLATIONS.region('joined', US),
      ),
    );
    await world.client.delete(NODE_KIND, { name: 'joined' }, world.signal);
    await eventually(async () => (await world.parameters(NODES_PARAMETERS)).nodes?.['joined'] === undefined);
  });

  // In mode list only the name of the node counts, see docs/reference/limits.md.
  if (mode === 'label')
    it('refuses a node that came back without a region while no agent ran', async () => {
      const name = `${EU}-b`;
      const before = (await world.client.get(NODE_KIND, { name }, world.signal)) ?? expect.fail('no node');
      await world.pause();
      await world.client.delete(NODE_KIND, { name }, world.signal);
      await world.client.create(NODE_KIND, { metadata: { name } }, {}, world.signal);
      const answer = await world.tryBind({ as: world.trusted, node: name });
      expect(answer).toContain(bindingSentence(BINDING_VIOLATIONS.unknown(name)));
      await world.client.delete(NODE_KIND, { name }, world.signal);
      const { labels = {}, annotations = {} } = before.metadata;
      await world.client.create(NODE_KIND, { metadata: { name, labels, annotations } }, {}, world.signal);
      await world.resume();
    });

  it('restores the parameters', async () => {
    await world.govern('teams', 'team-*');
    await eventually(async () => (await world.parameters(NAMESPACES_PARAMETERS)).patterns?.length === 1);
    await world.client.delete(FLOOR_PARAMETERS_KIND, { name: NODES_PARAMETERS }, world.signal);
    await eventually(async () => (await world.parameters(NODES_PARAMETERS)).nodes?.[`${EU}-a`] === EU);
    const spec = { nodes: { ghost: EU }, patterns: null, namespaces: { free: { regions: US, policies: 'a/b', revisions: '-' } } };
    await world.client.mergePatch(FLOOR_PARAMETERS_KIND, { name: NAMESPACES_PARAMETERS }, { spec }, world.signal);
    await eventually(async () => {
      const { namespaces, nodes, patterns } = await world.parameters(NAMESPACES_PARAMETERS);
      return namespaces?.['free'] === undefined && nodes?.['ghost'] === undefined && patterns?.length === 1;
    });
  });

  it('is in force again soon after the kind of its parameters was deleted', async () => {
    await world.client.delete(CRD_KIND, { name: 'floorparameters.compliance.federated.io' }, world.signal);
    await eventually(async () => (await world.parameters(NODES_PARAMETERS)).nodes?.[`${EU}-a`]);
    await eventually(async () => !(await world.tryBind({ as: world.trusted })).includes('fso-floor'));
    expect(await world.tryBind({ as: world.trusted, node: `${US}-a` })).toContain("'fso-floor-bindings-deny'");
    expect(await world.tryPod('free')).toBe('');
  });
});
