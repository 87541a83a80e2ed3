import { API_GROUP, CANARY_NAMESPACE, type ClusterEvent, CONDITIONS, floorLabel, NAMESPACES_PARAMETERS } from '@fso/shared/api';
import { ADMISSION_POLICY_BINDING_KIND, API_SERVICE_KIND, CRD_KIND, type CustomResourceDefinition, NAMESPACE_KIND } from '@fso/shared/kube';
import { beforeAll, describe, expect, it } from 'vitest';
import { FloorHarness, MODES, US } from '../harness/floor-harness.ts';
import { eventually } from '../harness/waiting.ts';

const FLOOR_PARAMETERS = 'floorparameters.compliance.federated.io';
/** In the schema of FloorParameters. */
const FIELDS = '/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties';

const [MODE] = MODES;
let world: FloorHarness;
const events: ClusterEvent[] = [];

const floorCondition = () => {
  const { conditions } = world.agent.observatory.snapshot().cluster;
  return conditions.find(({ type }) => type === CONDITIONS.floorReady);
};

const isTold = (text: string): boolean => events.some(({ reason, message }) => reason === 'TamperingRepaired' && message.includes(text));

/** Takes fields out of the schema, whatever guards it, as an administrator who deletes the guard again and again. */
const dropFields = async (...fields: readonly string[]): Promise<void> => {
  const path = `/apis/${CRD_KIND.apiVersion}/${CRD_KIND.plural}/${FLOOR_PARAMETERS}`;
  const body = fields.map((field) => ({ op: 'remove', path: `${FIELDS}/${field}` }));
  await eventually(async () => {
    await world.stranger.delete(ADMISSION_POLICY_BINDING_KIND, { name: 'fso-guard-definitions' }, world.signal);
    await world.stranger.raw({ method: 'PATCH', path, body, contentType: 'application/json-patch+json' }, world.signal);
    return true;
  });
};

const hasField = async (field: string): Promise<boolean> => {
  const crd = await world.client.get(CRD_KIND, { name: FLOOR_PARAMETERS }, world.signal);
  return JSON.stringify((crd as CustomResourceDefinition | undefined)?.spec).includes(`"${field}":{`);
};

beforeAll(async () => {
  world = await FloorHarness.start('foundation', MODE ?? expect.fail('no mode'));
  world.agent.observatory.onEvent((event) => events.push(event));
  return () => world.end();
});

describe('what lock 1 stands on', () => {
  it('proves the index by a namespace that nothing else speaks of', async () => {
    expect((await world.namespace(CANARY_NAMESPACE))?.metadata.labels).toEqual({ 'kubernetes.io/metadata.name': CANARY_NAMESPACE });
    expect((await world.parameters(NAMESPACES_PARAMETERS)).namespaces?.[CANARY_NAMESPACE]?.regions).toBe('');
    await eventually(async () => (await world.tryPod(CANARY_NAMESPACE)).includes("'fso-floor-index-pods-deny'"));
    expect(floorCondition()?.status).toBe('True');
    expect(await world.tryDelete(world.stranger, NAMESPACE_KIND, CANARY_NAMESPACE)).toContain('hold the objects that enforce and prove');
  });

  it('puts fields back that somebody takes out of the schema of the parameters, and tells of it', async () => {
    await dropFields('namespaces', 'patterns', 'reach');
    await eventually(() => isTold(`CustomResourceDefinition/${FLOOR_PARAMETERS} was changed`));
    await eventually(async () => (await hasField('namespaces')) && (await hasField('patterns')));
    await world.govern('teams', 'team-*');
    await eventually(async () => (await world.parameters(NAMESPACES_PARAMETERS)).patterns?.length === 1);
    await eventually(async () => (await world.tryPod(CANARY_NAMESPACE)).includes("'fso-floor-index-pods-deny'"));
    await eventually(() => floorCondition()?.status === 'True');
  });

  describe('while the schema cannot be put back', () => {
    beforeAll(async () => {
      const allow = await world.refuseTheAgent(CRD_KIND, FLOOR_PARAMETERS);
      await dropFields('namespaces', 'patterns', 'reach');
      return allow;
    });

    it('does not take for written what the API server drops, and says so', async () => {
      await world.govern('more', 'more-*');
      await eventually(() => floorCondition()?.message.includes('spec.namespaces') === true);
      expect(floorCondition()?.status).toBe('False');
    });

    it('says of the cluster, and of each policy that denies, that the index judges nothing', async () => {
      await eventually(() => floorCondition()?.reason === 'IndexOpen');
      await eventually(async () => (await world.policy('finance'))?.status?.phase === 'Failed');
      expect((await world.policy('finance'))?.status?.message).toContain('the index of lock 1 judges nothing');
    });
  });

  it('is whole again as soon as it can be put back', async () => {
    await eventually(async () => (await world.parameters(NAMESPACES_PARAMETERS)).patterns?.length === 2);
    await world.reaches('finance', 'Active');
    await eventually(() => floorCondition()?.status === 'True');
  });

  it('takes an API group back that somebody sent elsewhere, and releases nothing meanwhile', async () => {
    const api = { name: `v1.${API_GROUP}` };
    const spec = { service: { name: 'x', namespace: 'default', port: 443 }, insecureSkipTLSVerify: true };
    const metadata = { labels: { 'kube-aggregator.kubernetes.io/automanaged': null } };
    await eventually(async () => {
      await world.stranger.delete(ADMISSION_POLICY_BINDING_KIND, { name: 'fso-guard-definitions' }, world.signal);
      await world.stranger.mergePatch(API_SERVICE_KIND, api, { metadata, spec }, world.signal);
      return true;
    });
    await eventually(() => isTold(`APIService/${api.name} was changed`));
    await eventually(async () => {
      const live = await world.client.get(API_SERVICE_KIND, api, world.signal);
      return live !== undefined && live.spec?.service === undefined;
    });
    await eventually(async () => (await world.policy('finance')) !== undefined);
    expect((await world.namespace('finance'))?.metadata.labels?.[floorLabel('deny')]).toBe('active');
    expect(events.filter(({ reason }) => reason === 'Released')).toEqual([]);
    expect(await world.tryPod('finance', US)).toContain("'fso-floor-pods-deny'");
    // What is written now is read again.
    await world.govern('after', 'after');
    await eventually(async () => (await world.policy('after'))?.status?.phase === 'Failed');
  });

  it('makes the namespace again when it is gone', async () => {
    const before = (await world.namespace(CANARY_NAMESPACE))?.metadata.uid;
    await eventually(async () => {
      await world.stranger.delete(ADMISSION_POLICY_BINDING_KIND, { name: 'fso-guard-namespaces' }, world.signal);
      await world.stranger.delete(NAMESPACE_KIND, { name: CANARY_NAMESPACE }, world.signal);
      return true;
    });
    await eventually(async () => {
      const uid = (await world.namespace(CANARY_NAMESPACE))?.metadata.uid;
      return uid !== undefined && uid !== before;
    });
    await eventually(async () => (await world.tryPod(CANARY_NAMESPACE)).includes("'fso-floor-index-pods-deny'"));
  });
});
