import { floorLabel, floorRegionsAnnotation, NAMESPACES_PARAMETERS } from '@fso/shared/api';
import { NAMESPACE_KIND } from '@fso/shared/kube';
import { BINDING_VIOLATIONS, violationMessage } from '@fso/shared/residency';
import { beforeAll, describe, expect, it } from 'vitest';
import { bindingSentence, EU, FloorHarness, MODES, US } from '../harness/floor-harness.ts';
import { eventually } from '../harness/waiting.ts';

describe.each(MODES)('the index of lock 1, bind gate by $mode', (mode) => {
  let world: FloorHarness;

  beforeAll(async () => {
    world = await FloorHarness.start('floor-index', mode);
    return () => world.end();
  });

  describe('while no agent runs', () => {
    const EXCLUDED = 'team-excluded';

    beforeAll(async () => {
      await world.makeNamespace('team-one');
      await world.govern('teams', 'team-*', [EXCLUDED]);
      await world.govern('planned');
      await world.reaches('teams', 'Active');
      await eventually(async () => (await world.parameters(NAMESPACES_PARAMETERS)).namespaces?.['planned']);
      await world.pause();
    });

    const byIndex = (policies: readonly string[], namespace: string): string =>
      violationMessage({ policies, regions: [EU], namespace, violation: '', fix: '' }).split(': ;')[0] ?? '';

    it('a namespace that loses its labels stays governed', async () => {
      const { labels = {}, annotations = {} } = (await world.namespace('finance'))?.metadata ?? {};
      const none = (values: object) =>
        Object.fromEntries(Object.keys(values).flatMap((key) => (key.includes('compliance.gov') ? [[key, null]] : [])));
      await world.client.mergePatch(
        NAMESPACE_KIND,
        { name: 'finance' },
        { metadata: { labels: none(labels), annotations: none(annotations) } },
        world.signal,
      );
      await eventually(async () => (await world.tryPod('finance')).includes("'fso-floor-index-pods-deny'"));
      expect(await world.tryPod('finance')).toContain(byIndex(['default/finance'], 'finance'));
      expect(await world.tryPod('finance', EU)).toBe('');
      expect(await world.tryBind({ as: world.trusted, node: `${US}-a` })).toContain(
        bindingSentence(BINDING_VIOLATIONS.region(`${US}-a`, US)),
      );
      expect(await world.tryBind({ as: world.stranger })).toContain(bindingSentence(BINDING_VIOLATIONS.binder('stranger')));
      expect(await world.tryBind({ as: world.stranger, node: `${US}-a` })).toContain(
        bindingSentence(`${BINDING_VIOLATIONS.binder('stranger')}, ${BINDING_VIOLATIONS.region(`${US}-a`, US)}`),
      );
      expect(await world.tryBind({ as: world.trusted })).not.toContain('fso-floor');
    });

    it('a namespace whose annotations are widened does not allow more', async () => {
      await world.label(NAMESPACE_KIND, 'finance', { [floorLabel('deny')]: 'active' });
      const patch = { metadata: { annotations: { [floorRegionsAnnotation('deny')]: `${EU},${US}` } } };
      await world.client.mergePatch(NAMESPACE_KIND, { name: 'finance' }, patch, world.signal);
      await eventually(async () => (await world.tryPod('finance', EU)) === '');
      expect(await world.tryPod('finance', US)).toContain("'fso-floor-index-pods-deny'");
    });

    it('a namespace that is created again is governed from its first moment', async () => {
      await world.client.delete(NAMESPACE_KIND, { name: 'team-one' }, world.signal);
      await eventually(async () => (await world.namespace('team-one')) === undefined);
      for (const [name, policy] of [
        ['team-one', 'default/teams'],
        ['planned', 'default/planned'],
      ] as const) {
        await world.makeNamespace(name);
        expect(await world.tryPod(name)).toContain(byIndex([policy], name));
      }
      await eventually(async () => (await world.tryPod('planned', EU)) === '');
    });

    it('a new namespace that a glob matches admits no pod until the agent has seen it', async () => {
      await world.makeNamespace('team-two');
      const text = 'namespace team-two is not set up yet for policy default/teams: try again in a moment';
      expect(await world.tryPod('team-two', EU)).toContain(text);
      expect(await world.tryBind({ as: world.trusted, namespace: 'team-two' })).toContain(text);
      // As if the namespace itself allowed regions.
      const { client } = world;
      const annotations = { [floorRegionsAnnotation('deny')]: US };
      await client.mergePatch(
        NAMESPACE_KIND,
        { name: 'team-two' },
        { metadata: { annotations, labels: { [floorLabel('deny')]: 'active' } } },
        world.signal,
      );
      await eventually(async () => (await world.tryPod('team-two', US)).includes(text));
      await world.makeNamespace(EXCLUDED);
      await eventually(async () => (await world.tryPod(EXCLUDED)) === '');
      expect(await world.tryPod('free')).toBe('');
      await world.resume();
      await eventually(async () => (await world.tryPod('team-two', EU)) === '');
      expect(await world.tryPod('team-two')).toContain("'fso-floor-pods-deny'");
    });
  });

  it('a glob over everything excludes the namespaces of the cluster itself', async () => {
    await world.govern('everything', '*', ['free', 'default']);
    await eventually(async () => (await world.parameters(NAMESPACES_PARAMETERS)).patterns?.length === 2);
    await world.pause();
    await world.makeNamespace('brand-new');
    await eventually(async () => (await world.tryPod('brand-new', EU)).includes('is not set up yet'));
    for (const namespace of ['kube-system', 'federated-sovereignty-system', 'free']) {
      await eventually(async () => (await world.tryPod(namespace)) === '');
    }
    await world.resume();
  });

  it('releases a namespace from the index before the policy is deleted', async () => {
    await world.removePolicies('everything', 'teams', 'planned', 'finance');
    expect(await world.parameters(NAMESPACES_PARAMETERS)).not.toHaveProperty('namespaces.finance');
    await eventually(async () => (await world.tryPod('finance')) === '');
    await eventually(async () => (await world.tryPod('team-two')) === '');
  });
});
