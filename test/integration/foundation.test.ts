import {
  API_GROUP,
  CANARY_NAMESPACE,
  type ClusterEvent,
  CONDITIONS,
  floorLabel,
  INJECTION_LABEL,
  INJECTION_LABEL_VALUE,
  NAMESPACES_PARAMETERS,
  SCHEMA_VERSION_ANNOTATION,
} from '@fso/shared/api';
import {
  ADMISSION_POLICY_BINDING_KIND,
  API_SERVICE_KIND,
  CRD_KIND,
  type CustomResourceDefinition,
  NAMESPACE_KIND,
  SOVEREIGN_POLICY_KIND,
} from '@fso/shared/kube';
import { beforeAll, describe, expect, it } from 'vitest';
import { FloorHarness, MODES, US } from '../harness/floor-harness.ts';
import { eventually } from '../harness/waiting.ts';

const FLOOR_PARAMETERS = 'floorparameters.compliance.federated.io';
const POLICIES = 'sovereignpolicies.compliance.federated.io';
/** Path in the schema of a CRD. */
const FIELDS = '/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties';

const [MODE] = MODES;
let world: FloorHarness;
const events: ClusterEvent[] = [];

const floorCondition = () => {
  const { conditions } = world.agent.observatory.snapshot().cluster;
  return conditions.find(({ type }) => type === CONDITIONS.floorReady);
};

const isTold = (text: string): boolean => events.some(({ reason, message }) => reason === 'TamperingRepaired' && message.includes(text));

/** Removes fields from the schema as an administrator who deletes the guard again and again. */
const dropFields = async (name: string, ...fields: readonly string[]): Promise<void> => {
  const path = `/apis/${CRD_KIND.apiVersion}/${CRD_KIND.plural}/${name}`;
  const body = fields.map((field) => ({ op: 'remove', path: `${FIELDS}/${field}` }));
  await eventually(async () => {
    await world.stranger.delete(ADMISSION_POLICY_BINDING_KIND, { name: 'fso-guard-definitions' }, world.signal);
    await world.stranger.raw({ method: 'PATCH', path, body, contentType: 'application/json-patch+json' }, world.signal);
    return true;
  });
};

const hasField = async (field: string, name = FLOOR_PARAMETERS): Promise<boolean> => {
  const crd = await world.client.get(CRD_KIND, { name }, world.signal);
  return JSON.stringify((crd as CustomResourceDefinition | undefined)?.spec).includes(`"${field}":{`);
};

const schemaVersion = async (name: string): Promise<number> => {
  const crd = await world.client.get(CRD_KIND, { name }, world.signal);
  return Number(crd?.metadata.annotations?.[SCHEMA_VERSION_ANNOTATION]);
};

const ADDED = { op: 'add', path: `${FIELDS}/later`, value: { type: 'string' } };

/** Changes the schema as a newer version does, which writes a higher number with it. */
const raiseSchema = (name: string, number: number, change: object): Promise<unknown> => {
  const path = `/apis/${CRD_KIND.apiVersion}/${CRD_KIND.plural}/${name}`;
  const key = SCHEMA_VERSION_ANNOTATION.replace('/', '~1');
  const body = [{ op: 'replace', path: `/metadata/annotations/${key}`, value: String(number) }, change];
  return world.stranger.raw({ method: 'PATCH', path, body, contentType: 'application/json-patch+json' }, world.signal);
};

beforeAll(async () => {
  world = await FloorHarness.start('foundation', MODE ?? expect.fail('no mode'));
  world.agent.observatory.onEvent((event) => events.push(event));
  return () => world.end();
});

describe('the foundation of lock 1', () => {
  it('proves the index with a namespace that only the index governs', async () => {
    expect((await world.namespace(CANARY_NAMESPACE))?.metadata.labels).toEqual({ 'kubernetes.io/metadata.name': CANARY_NAMESPACE });
    expect((await world.parameters(NAMESPACES_PARAMETERS)).namespaces?.[CANARY_NAMESPACE]?.regions).toBe('');
    await eventually(async () => (await world.tryPod(CANARY_NAMESPACE)).includes("'fso-floor-index-pods-deny'"));
    expect(floorCondition()?.status).toBe('True');
    // The guard was written just before: the API server takes a moment to follow it.
    await eventually(async () =>
      (await world.tryDelete(world.stranger, NAMESPACE_KIND, CANARY_NAMESPACE)).includes('hold the objects that enforce and prove'),
    );
  });

  it('restores removed fields of the schema of the parameters, and reports it', async () => {
    await dropFields(FLOOR_PARAMETERS, 'namespaces', 'patterns', 'reach');
    await eventually(() => isTold(`CustomResourceDefinition/${FLOOR_PARAMETERS} was changed`));
    await eventually(async () => (await hasField('namespaces')) && (await hasField('patterns')));
    await world.govern('teams', 'team-*');
    await eventually(async () => (await world.parameters(NAMESPACES_PARAMETERS)).patterns?.length === 1);
    await eventually(async () => (await world.tryPod(CANARY_NAMESPACE)).includes("'fso-floor-index-pods-deny'"));
    await eventually(() => floorCondition()?.status === 'True');
  });

  describe('while the schema cannot be restored', () => {
    beforeAll(async () => {
      const allow = await world.refuseTheAgent(CRD_KIND, FLOOR_PARAMETERS);
      await dropFields(FLOOR_PARAMETERS, 'namespaces', 'patterns', 'reach');
      return allow;
    });

    it('detects fields that the API server drops, and reports it', async () => {
      await world.govern('more', 'more-*');
      await eventually(() => floorCondition()?.message.includes('spec.namespaces') === true);
      expect(floorCondition()?.status).toBe('False');
    });

    it('reports on the cluster, and on each deny policy, that the index is not enforced', async () => {
      await eventually(() => floorCondition()?.reason === 'IndexOpen');
      await eventually(async () => (await world.policy('finance'))?.status?.phase === 'Failed');
      expect((await world.policy('finance'))?.status?.message).toContain('the index of lock 1 judges nothing');
    });
  });

  it('recovers as soon as the schema can be restored', async () => {
    await eventually(async () => (await world.parameters(NAMESPACES_PARAMETERS)).patterns?.length === 2);
    await world.reaches('finance', 'Active');
    await eventually(() => floorCondition()?.status === 'True');
  });

  it('reads what the API server keeps by a restored schema, also where an open watch still brings it by the other one', async () => {
    // A server-side apply of a field that the schema does not have fails; a patch loses it.
    const inject = async (): Promise<boolean> => {
      const ref = { namespace: 'default', name: 'finance' };
      const { object } = await world.client.mergePatch(SOVEREIGN_POLICY_KIND, ref, { spec: { placementInjection: true } }, world.signal);
      return object.spec.placementInjection === true;
    };
    const allow = await world.refuseTheAgent(CRD_KIND, POLICIES);
    await dropFields(POLICIES, 'placementInjection');
    await eventually(async () => !(await inject()));
    await allow();
    await eventually(inject);
    await eventually(async () => (await world.namespace('finance'))?.metadata.labels?.[INJECTION_LABEL] === INJECTION_LABEL_VALUE);
  });

  it('restores a schema that names a newer version while the agent runs, and reports it', async () => {
    const number = await schemaVersion(POLICIES);
    await eventually(async () => {
      await world.stranger.delete(ADMISSION_POLICY_BINDING_KIND, { name: 'fso-guard-definitions' }, world.signal);
      await raiseSchema(POLICIES, number + 1, { op: 'remove', path: `${FIELDS}/description` });
      return true;
    });
    await eventually(() => isTold(`CustomResourceDefinition/${POLICIES} was changed`));
    await eventually(async () => (await hasField('description', POLICIES)) && (await schemaVersion(POLICIES)) === number);
    expect(events.map(({ reason }) => reason)).not.toContain('NewerSchema');
    await eventually(() => floorCondition()?.status === 'True');
  });

  it('creates the namespace again when it is deleted', async () => {
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

  // The aggregator may keep the group as stale in its discovery for as long as it runs, and then no
  // namespace can be deleted.
  it('restores a redirected API group, and releases nothing meanwhile', async () => {
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
    // New writes are read again.
    await world.govern('after', 'after');
    await eventually(async () => (await world.policy('after'))?.status?.message?.includes('namespace after does not exist'));
  });

  it('leaves the schemas of a newer version in place after a rollback, reports it, and enforces', async () => {
    const number = await schemaVersion(FLOOR_PARAMETERS);
    expect(number).toBeGreaterThan(0);
    // The guard was put back just before.
    await eventually(async () => (await world.tryDelete(world.stranger, CRD_KIND, FLOOR_PARAMETERS)).includes('only the agent'));
    await expect(raiseSchema(FLOOR_PARAMETERS, number + 1, ADDED)).rejects.toThrow('only the agent creates, changes');
    const metadata = { annotations: { [SCHEMA_VERSION_ANNOTATION]: '9' } };
    await expect(world.stranger.mergePatch(CRD_KIND, { name: FLOOR_PARAMETERS }, { metadata }, world.signal)).rejects.toThrow(
      'only the agent creates, changes',
    );
    await world.pause();
    await world.stranger.delete(ADMISSION_POLICY_BINDING_KIND, { name: 'fso-guard-definitions' }, world.signal);
    await eventually(() => raiseSchema(FLOOR_PARAMETERS, number + 1, ADDED));
    const older = await world.startAgent('older');
    older.observatory.onEvent((event) => events.push(event));
    const reported = await eventually(() => events.find(({ reason }) => reason === 'NewerSchema'));
    expect(reported.message).toContain(`${FLOOR_PARAMETERS} (${number + 1}, not ${number})`);
    await world.govern('rolled-back');
    await world.makeNamespace('rolled-back');
    await world.reaches('rolled-back', 'Active');
    expect(await hasField('later')).toBe(true);
    const { conditions } = older.observatory.snapshot().cluster;
    expect(conditions.find(({ type }) => type === CONDITIONS.floorReady)).toMatchObject({ status: 'True' });
  });
});
