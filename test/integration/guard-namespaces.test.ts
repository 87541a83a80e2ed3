import { AGENT_TRUST, ENROLMENT_SECRET, FLOOR_LABEL_VALUE, floorLabel, type KubeObject, LABELS, SYSTEM_NAMESPACE } from '@fso/shared/api';
import {
  ADMISSION_POLICY_BINDING_KIND,
  CONFIG_MAP_KIND,
  type KindDescriptor,
  type KubeClient,
  NAMESPACE_KIND,
  SECRET_KIND,
} from '@fso/shared/kube';
import { beforeAll, describe, expect, it } from 'vitest';
import { FloorHarness, MODES } from '../harness/floor-harness.ts';
import { openKubeClient, refusalOf } from '../harness/kube-client.ts';
import { eventually } from '../harness/waiting.ts';

const [MODE] = MODES;
const GUARD = 'fso-guard-namespaces';
const GATEKEEPER = 'gatekeeper-system';
const KEYS = 'only the agent writes compliance.gov/* labels and annotations';
const CHARACTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789';
const RBAC = { apiVersion: 'rbac.authorization.k8s.io/v1', namespaced: false };
const ROLE_KIND: KindDescriptor = { ...RBAC, kind: 'ClusterRole', plural: 'clusterroles' };
const ROLE_BINDING_KIND: KindDescriptor = { ...RBAC, kind: 'ClusterRoleBinding', plural: 'clusterrolebindings' };

let world: FloorHarness;
/** A user with all rights on namespaces, ConfigMaps and Secrets, and no others. */
let selfService: KubeClient;

/** This many keys of three characters, without values: the maximum of an object. */
const fill = (count: number): Record<string, string> => {
  const character = (index: number): string => CHARACTERS[index % CHARACTERS.length] ?? '';
  const key = (index: number): string => [index, index / 62, index / 62 ** 2].map((digit) => character(Math.floor(digit))).join('');
  return Object.fromEntries(Array.from({ length: count }, (_, index) => [key(index), '']));
};

/** The response to a change of the metadata by an administrator. */
const change = (name: string, metadata: object): Promise<string> => {
  const request = { method: 'PATCH', path: `/api/v1/namespaces/${name}`, contentType: 'application/merge-patch+json' } as const;
  return refusalOf(world.stranger.raw({ ...request, body: { metadata } }, world.signal));
};
/**
 * A namespace without managedFields, which take the API server half a minute for 75,000 keys, and
 * half of the room.
 */
const makeUnnoted = async (name: string): Promise<void> => {
  await world.makeNamespace(name);
  expect(await change(name, { managedFields: [{}] })).toBe('');
};

const ends = async (name: string): Promise<void> => {
  await world.stranger.delete(NAMESPACE_KIND, { name }, world.signal);
  await eventually(async () => (await world.namespace(name)) === undefined);
};

beforeAll(async () => {
  world = await FloorHarness.start('guard-namespaces', MODE ?? expect.fail('no mode'));
  selfService = openKubeClient({ kubeconfig: await world.cluster.createUserKubeconfig('self-service') });
  const metadata = { name: 'self-service' };
  const role = { metadata, rules: [{ apiGroups: [''], resources: ['namespaces', 'configmaps', 'secrets'], verbs: ['*'] }] };
  await world.stranger.create(ROLE_KIND, role, {}, world.signal);
  const apiGroup = 'rbac.authorization.k8s.io';
  const [roleRef, subjects] = [{ apiGroup, kind: 'ClusterRole', name: metadata.name }, [{ apiGroup, kind: 'User', name: metadata.name }]];
  await world.stranger.create(ROLE_BINDING_KIND, { metadata, roleRef, subjects } as KubeObject, {}, world.signal);
  return async () => {
    await selfService.close();
    await world.end();
  };
});

describe("the guard on the name of Gatekeeper's namespace, without Gatekeeper", () => {
  const create = (client: KubeClient, name: string, options = {}): Promise<string> =>
    refusalOf(client.create(NAMESPACE_KIND, { metadata: { name } }, options, world.signal));

  it('refuses it to users who may only create namespaces', async () => {
    await eventually(async () => (await create(selfService, 'theirs')) === '');
    const refusal = 'only those who may create ValidatingWebhookConfigurations may create it';
    // The API server enforces a policy a moment after it is written.
    await eventually(async () => (await create(selfService, GATEKEEPER, { dryRun: true })).includes(refusal));
    expect(await create(selfService, GATEKEEPER)).toContain(refusal);
    const applied = selfService.apply(NAMESPACE_KIND, { metadata: { name: GATEKEEPER } }, { fieldManager: 'theirs' }, world.signal);
    expect(await refusalOf(applied)).toContain(refusal);
  });

  it('allows it to users who may install Gatekeeper', async () => {
    expect(await create(world.stranger, GATEKEEPER)).toBe('');
    const labelled = { metadata: { labels: { team: 'x' } } };
    expect(await refusalOf(selfService.mergePatch(NAMESPACE_KIND, { name: GATEKEEPER }, labelled, world.signal))).toBe('');
  });
});

describe('the guard on whom the agent believes', () => {
  it.each([
    { kind: CONFIG_MAP_KIND, name: AGENT_TRUST },
    { kind: SECRET_KIND, name: ENROLMENT_SECRET },
  ])('lets only those who decide over admission install, change and remove $kind.kind $name', async ({ kind, name }) => {
    const ref = { namespace: SYSTEM_NAMESPACE, name };
    const content = (text: string): KubeObject & { data: Record<string, string> } => ({
      metadata: ref,
      data: { key: Buffer.from(text).toString('base64') },
    });
    const { signal, stranger } = world;
    const create = () => refusalOf(selfService.create(kind as KindDescriptor, content('theirs'), { dryRun: true }, signal));
    const refusal = `only those who may create ValidatingWebhookConfigurations write ${AGENT_TRUST} and ${ENROLMENT_SECRET}`;
    await eventually(async () => (await create()).includes(refusal));
    const applied = stranger.apply(kind as KindDescriptor, content('first'), { fieldManager: 'helm' }, signal);
    expect(await refusalOf(applied)).toBe('');
    expect(await refusalOf(selfService.mergePatch(kind, ref, content('theirs'), signal))).toContain(refusal);
    expect(await refusalOf(selfService.delete(kind, ref, signal))).toContain(refusal);
    expect(await refusalOf(stranger.mergePatch(kind, ref, content('next'), signal))).toBe('');
    expect(await refusalOf(stranger.delete(kind, ref, signal))).toBe('');
    const other = { metadata: { ...ref, name: 'notes' } };
    expect(await refusalOf(selfService.create(kind as KindDescriptor, other, { dryRun: true }, signal))).toBe('');
  });
});

describe('the guard on a namespace full of keys', () => {
  it('lets users change and delete one with 75,000 annotations, and still refuses the keys of this system', async () => {
    await makeUnnoted('full');
    expect(await change('full', { annotations: fill(75_000) })).toBe('');
    expect(await change('full', { labels: { team: 'x' } })).toBe('');
    expect(await change('full', { annotations: { AAA: 'changed' } })).toBe('');
    expect(await change('full', { labels: { [LABELS.policyName]: 'x' } })).toContain(KEYS);
    expect(await change('full', { annotations: { [LABELS.policyName]: 'x' } })).toContain(KEYS);
    await ends('full');
  });

  it('allows to change and delete one that was filled with labels, of which there may be more, without the guard', async () => {
    await world.pause();
    await world.stranger.delete(ADMISSION_POLICY_BINDING_KIND, { name: GUARD }, world.signal);
    await makeUnnoted('crowded');
    await eventually(async () => (await change('crowded', { labels: fill(165_000) })) === '');
    await world.resume();
    await eventually(() => world.client.get(ADMISSION_POLICY_BINDING_KIND, { name: GUARD }, world.signal));
    const probe = { metadata: { name: 'probe', labels: { [LABELS.policyName]: 'x' } } };
    const ask = (): Promise<string> => refusalOf(world.stranger.create(NAMESPACE_KIND, probe, { dryRun: true }, world.signal));
    await eventually(async () => (await ask()).includes(KEYS));
    expect(await change('crowded', { labels: { team: 'x' } })).toBe('');
    expect(await change('crowded', { labels: { [floorLabel('deny')]: FLOOR_LABEL_VALUE } })).toContain(KEYS);
    await ends('crowded');
  });
});
