import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { LocalCluster } from '@fso/clusters/local';
import type { KubeObject } from '@fso/shared/api';
import {
  ADMISSION_POLICY_BINDING_KIND,
  ADMISSION_POLICY_KIND,
  CONSTRAINT_TEMPLATE_KIND,
  GEO_RESIDENCY_KIND,
  type KindDescriptor,
} from '@fso/shared/kube';
import { beforeAll, describe, expect, it } from 'vitest';
import { isSame } from '../../agent/compare.ts';
import { injectionKinds } from '../../agent/enforce/index.ts';
import { AgentHarness } from '../harness/agent-harness.ts';
import { startTestCluster } from '../harness/local-cluster.ts';
import { type Field, specFieldsOf } from '../harness/openapi-fields.ts';
import { eventually, waitFor } from '../harness/waiting.ts';

const INJECTION = injectionKinds('v1');
const EU = ['eu-west-1'];

type Spec = Readonly<Record<string, unknown>>;

const { signal } = new AbortController();
let cluster: LocalCluster;
let world: AgentHarness;

beforeAll(async () => {
  const folder = await mkdtemp(join(tmpdir(), 'fso-foreign-fields-'));
  cluster = await startTestCluster(
    { name: 'foreign-fields', stateDir: folder, regions: ['eu-west-1', 'us-east-1'], gatekeeper: true },
    signal,
  );
  world = new AgentHarness(cluster.kubeconfig, signal);
  await world.startAgent('agent');
  await world.makeNamespace('finance');
  await eventually(() => world.applyPolicy('finance', { targetNamespace: 'finance', allowedRegions: EU, placementInjection: true }));
  await world.reaches('finance', 'Active');
  await eventually(async () => (await world.policy('finance'))?.status?.constraintCreated);
  return async () => {
    await world.close();
    await cluster.stop();
    await rm(folder, { recursive: true, force: true });
  };
});

const specOf = async (kind: KindDescriptor, name: string): Promise<Spec> =>
  ((await world.client.get(kind, { name }, signal)) as (KubeObject & { spec?: Spec }) | undefined)?.spec ?? {};

/** Ignores the status and its writes. */
const settled = (kind: KindDescriptor, name: string, spec: Spec, change: Spec): Promise<void> =>
  waitFor(async () => expect(isSame(await specOf(kind, name), spec), `${kind.kind} ${name}: ${JSON.stringify(change)} stays`).toBe(true));

const nested = ([name = '', ...rest]: readonly string[], value: unknown): Spec => ({
  [name]: rest.length === 0 ? value : nested(rest, value),
});

const valueAt = (spec: unknown, path: readonly string[]): unknown =>
  path.reduce<unknown>((value, name) => (value as Spec | undefined)?.[name], spec);

/** A list keeps its items and gets a foreign one. */
const additionTo = (spec: Spec, { path }: Field, sample: unknown): Spec => {
  const known = valueAt(spec, path);
  return nested(path, Array.isArray(known) && Array.isArray(sample) ? [...known, ...sample] : sample);
};

/** @returns the first change of the field that the API server accepts and keeps */
const acceptedChange = async (kind: KindDescriptor, name: string, field: Field): Promise<Spec | undefined> => {
  const spec = await specOf(kind, name);
  for (const sample of field.samples) {
    const change = { spec: additionTo(spec, field, sample) };
    try {
      const path = `/apis/${kind.apiVersion}/${kind.plural}/${name}`;
      const request = {
        method: 'PATCH',
        path,
        body: change,
        contentType: 'application/merge-patch+json',
        query: { dryRun: 'All' },
      } as const;
      const { object } = await world.client.raw<{ spec?: Spec }>(request, signal);
      if (!isSame(object.spec, spec)) return change;
    } catch {
      // Not valid here: the next sample may be.
    }
  }
  return undefined;
};

/**
 * Adds to an object every field that the API server accepts, one by one, and waits until the agent
 * removed it. @returns the added fields
 */
const addEverything = async (kind: KindDescriptor, name: string): Promise<readonly string[]> => {
  const fields = await specFieldsOf(world.client, kind, signal);
  const added: string[] = [];
  for (const field of fields) {
    const before = await specOf(kind, name);
    const change = await acceptedChange(kind, name, field);
    if (change === undefined) continue;
    await world.client.mergePatch(kind, { name }, change, signal);
    added.push(field.path.join('.'));
    await settled(kind, name, before, change);
  }
  return added;
};

describe('a field that another writer adds to an object of the locks', () => {
  it.each([
    [ADMISSION_POLICY_KIND, 'fso-floor-pods-deny', 'matchConditions'],
    [ADMISSION_POLICY_KIND, 'fso-floor-bindings-deny', 'matchConstraints.objectSelector.matchLabels'],
    [ADMISSION_POLICY_KIND, 'fso-guard-namespaces', 'paramKind'],
    [ADMISSION_POLICY_BINDING_KIND, 'fso-floor-bindings-deny', 'paramRef.namespace'],
    [ADMISSION_POLICY_BINDING_KIND, 'fso-floor-index-pods-deny', 'paramRef.namespace'],
    [ADMISSION_POLICY_BINDING_KIND, 'fso-floor-pods-deny', 'paramRef'],
    [INJECTION.policy, 'fso-placement-injection', 'matchConditions'],
    [INJECTION.binding, 'fso-placement-injection', 'paramRef'],
    [CONSTRAINT_TEMPLATE_KIND, 'k8sgeoresidency', 'crd.spec.names.shortNames'],
    [GEO_RESIDENCY_KIND, 'geo-canary', 'match.namespaceSelector'],
  ])('is removed, for every field of %o %s, %s among them', async (kind, name, witness) => {
    const added = await addEverything(kind, name);
    expect(added).toContain(witness);
    console.log(`${kind.kind} ${name}: ${added.length} fields: ${added.join(', ')}`);
  });
});

it('reports a field that a webhook adds again to each write, and then writes only rarely', async () => {
  const name = 'adds-a-scope';
  const rule = { apiGroups: ['constraints.gatekeeper.sh'], apiVersions: ['*'], operations: ['UPDATE'], resources: ['k8sgeoresidency'] };
  const policy = {
    metadata: { name },
    spec: {
      failurePolicy: 'Ignore',
      reinvocationPolicy: 'Never',
      matchConstraints: { resourceRules: [rule] },
      mutations: [
        { patchType: 'JSONPatch', jsonPatch: { expression: '[JSONPatch{op: "add", path: "/spec/match/scope", value: "Cluster"}]' } },
      ],
    },
  };
  await world.client.create(INJECTION.policy, policy as KubeObject, {}, signal);
  await world.client.create(INJECTION.binding, { metadata: { name }, spec: { policyName: name } } as KubeObject, {}, signal);
  await eventually(async () => {
    await world.client.mergePatch(
      GEO_RESIDENCY_KIND,
      { name: 'geo-canary' },
      { metadata: { annotations: { touched: `${Date.now()}` } } },
      signal,
    );
    return valueAt(await specOf(GEO_RESIDENCY_KIND, 'geo-canary'), ['match', 'scope']) === 'Cluster';
  });
  await eventually(async () => {
    const { status, message = '' } = (await world.conditionOf('finance', 'GatekeeperReady')) ?? {};
    return status === 'False' && message.includes('K8sGeoResidency/geo-canary: fields that are removed from it come back with the answer');
  });
  await world.client.delete(INJECTION.binding, { name }, signal);
  await world.client.delete(INJECTION.policy, { name }, signal);
  await eventually(async () => valueAt(await specOf(GEO_RESIDENCY_KIND, 'geo-canary'), ['match', 'scope']) === undefined);
  await eventually(async () => (await world.conditionOf('finance', 'GatekeeperReady'))?.status === 'True');
});
