import { API_GROUP, floorLabel, type KubeObject, NAMESPACES_PARAMETERS, REGION_LABEL } from '@fso/shared/api';
import {
  ADMISSION_POLICY_BINDING_KIND,
  ADMISSION_POLICY_KIND,
  API_SERVICE_KIND,
  CONSTRAINT_TEMPLATE_KIND,
  CRD_KIND,
  FLOOR_PARAMETERS_KIND,
  GEO_RESIDENCY_KIND,
  type KindDescriptor,
  NAMESPACE_KIND,
  NODE_KIND,
  type ObjectRef,
  objectPath,
  POD_KIND,
} from '@fso/shared/kube';
import { GATEKEEPER_WEBHOOKS } from '../harness/locks.ts';
import { type BlindWorld, GOVERNED, INSIDE, LOCAL, OUTSIDE, WATCHED } from './blind-world.ts';

/** Object of one kind that a claim of the agent rests on. */
export interface Lock {
  /** Takes it away, past the agent. */
  take(world: BlindWorld): Promise<void>;
  /** Whether it is in its place again, or what the agent says has it. */
  isKnown(world: BlindWorld): Promise<boolean> | boolean;
  /** Undoes a change that no agent repairs. */
  undo?(world: BlindWorld): Promise<void>;
}

const exists = async ({ client, signal }: BlindWorld, kind: KindDescriptor, ref: ObjectRef): Promise<boolean> => {
  const object = await client.get(kind, ref, signal);
  return object !== undefined && object.metadata.deletionTimestamp === undefined;
};

/** An object that the agent keeps, which is deleted. */
const deletionOf = (kindOf: KindDescriptor | string, name: string): Lock => {
  const resolve = (world: BlindWorld): KindDescriptor => {
    const kind = typeof kindOf === 'string' ? world.kind(kindOf) : kindOf;
    if (kind === undefined) throw new Error(`the API server has no ${String(kindOf)}`);
    return kind;
  };
  return {
    take: (world) => world.client.delete(resolve(world), { name }, world.signal),
    isKnown: (world) => exists(world, resolve(world), { name }),
  };
};

/** A change of an object by a merge patch. */
const patch = async ({ client, signal }: BlindWorld, kind: KindDescriptor, ref: ObjectRef, change: object): Promise<void> => {
  await client.mergePatch(kind, ref, change, signal);
};

const violationsOf = ({ agent }: BlindWorld): number => agent.observatory.snapshot().policies.get(WATCHED)?.report.violations ?? 0;

const NAMESPACE: Lock = {
  take: (world) => patch(world, NAMESPACE_KIND, { name: GOVERNED }, { metadata: { labels: { [floorLabel('deny')]: null } } }),
  isKnown: async (world) => (await world.namespace(GOVERNED))?.metadata.labels?.[floorLabel('deny')] === 'active',
};

/** The region of the node that a pod runs on: it runs outside then. */
const NODE: Lock = {
  take: async (world) => moveNode(world, OUTSIDE),
  isKnown: (world) => violationsOf(world) > 0,
  undo: (world) => moveNode(world, INSIDE),
};

const moveNode = async (world: BlindWorld, region: string): Promise<void> => {
  const pod = await world.client.get(POD_KIND, { namespace: WATCHED, name: 'settled' }, world.signal);
  await patch(world, NODE_KIND, { name: pod?.spec.nodeName ?? '' }, { metadata: { labels: { [REGION_LABEL]: region } } });
};

/** A pod outside, in a namespace that admits it and counts it. */
const OUTSIDER = { namespace: WATCHED, name: 'outsider' };
const POD: Lock = {
  take: async ({ client, signal }) => {
    const spec = { containers: [{ name: 'main', image: 'app:1' }], nodeSelector: { [REGION_LABEL]: OUTSIDE } };
    await client.create(POD_KIND, { metadata: OUTSIDER, spec }, {}, signal);
  },
  isKnown: (world) => violationsOf(world) > 0,
  undo: ({ client, signal }) => client.delete(POD_KIND, OUTSIDER, signal),
};

const SOVEREIGN_POLICY: Lock = {
  take: async (world) => {
    await world.applyPolicy(LOCAL, { targetNamespace: LOCAL, allowedRegions: [OUTSIDE] });
  },
  isKnown: async (world) => {
    const { metadata } = (await world.policy(LOCAL)) ?? {};
    return world.agent.observatory.snapshot().policies.get(`default/${LOCAL}`)?.observedGeneration === metadata?.generation;
  },
  undo: async (world) => {
    await world.applyPolicy(LOCAL, { targetNamespace: LOCAL, allowedRegions: [INSIDE] });
  },
};

const constraintsFor = async ({ client, signal }: BlindWorld): Promise<readonly KubeObject[]> => {
  const constraints = await client.list(GEO_RESIDENCY_KIND, {}, signal);
  return constraints.filter(({ spec }) => spec?.match?.namespaces?.includes(GOVERNED) === true);
};

const CONSTRAINT: Lock = {
  take: async (world) => {
    for (const { metadata } of await constraintsFor(world)) await world.client.delete(GEO_RESIDENCY_KIND, metadata, world.signal);
  },
  isKnown: async (world) => (await constraintsFor(world)).length > 0,
};

const TEMPLATE = { name: GEO_RESIDENCY_KIND.plural };
/** Finds nothing wrong with any pod. */
const MEEK_REGO = `package ${TEMPLATE.name}\n\nviolation[{"msg": msg}] {\n  msg := "never"\n  1 == 2\n}\n`;
interface TemplateSpec {
  readonly targets: readonly { readonly target: string; readonly code?: readonly object[]; readonly rego?: string }[];
}
const templateText = async ({ client, signal }: BlindWorld): Promise<string> =>
  JSON.stringify((await client.get(CONSTRAINT_TEMPLATE_KIND, TEMPLATE, signal))?.spec ?? {});

const CONSTRAINT_TEMPLATE: Lock = {
  take: async (world) => {
    const { targets } = JSON.parse(await templateText(world)) as TemplateSpec;
    const meek = targets.map(({ target }) => ({ target, code: [{ engine: 'Rego', source: { rego: MEEK_REGO } }] }));
    await patch(world, CONSTRAINT_TEMPLATE_KIND, TEMPLATE, { spec: { targets: meek } });
  },
  isKnown: async (world) => !(await templateText(world)).includes('1 == 2'),
};

type Webhook = Readonly<Record<string, unknown>>;

/**
 * Changes Gatekeeper's configuration, which the agent does not own: the agent reports that it is
 * wrong.
 */
const changeWebhooks = async ({ client, signal }: BlindWorld, change: object): Promise<void> => {
  const path = GATEKEEPER_WEBHOOKS;
  const { object } = await client.raw<{ webhooks: readonly Webhook[] }>({ method: 'GET', path }, signal);
  const webhooks = object.webhooks.map((webhook) => (webhook['name'] === 'validation.gatekeeper.sh' ? { ...webhook, ...change } : webhook));
  await client.raw({ method: 'PATCH', path, body: { webhooks }, contentType: 'application/merge-patch+json' }, signal);
};

const WEBHOOK: Lock = {
  take: (world) => changeWebhooks(world, { objectSelector: { matchLabels: { 'example.com/asked': 'yes' } } }),
  isKnown: ({ agent }) => agent.observatory.snapshot().cluster.gatekeeper.state === 'NotReady',
  undo: (world) => changeWebhooks(world, { objectSelector: {} }),
};

const DEFINITION = { name: `floorparameters.${API_GROUP}` };
interface Definition extends KubeObject {
  readonly spec: {
    readonly versions: readonly {
      readonly schema: { readonly openAPIV3Schema: { properties: Record<string, { properties?: object }> } };
    }[];
  };
}

const readDefinition = ({ client, signal }: BlindWorld): Promise<Definition | undefined> =>
  client.get(CRD_KIND as unknown as KindDescriptor<Definition>, DEFINITION, signal);

const fieldsIn = (definition: Definition | undefined): object =>
  definition?.spec.versions[0]?.schema.openAPIV3Schema.properties['spec']?.properties ?? {};

/** Its schema loses a field, which the API server then drops from every object. */
const CUSTOM_RESOURCE: Lock = {
  take: async (world) => {
    const definition = await readDefinition(world);
    const fields = fieldsIn(definition) as Record<string, unknown>;
    delete fields['namespaces'];
    await world.client.raw({ method: 'PUT', path: objectPath(CRD_KIND, DEFINITION), body: definition }, world.signal);
  },
  isKnown: async (world) => 'namespaces' in fieldsIn(await readDefinition(world)),
};

const API_SERVICE = { name: `v1.${API_GROUP}` };

/** Sends the API group to a service that does not exist. */
const REDIRECT: Lock = {
  take: (world) =>
    patch(world, API_SERVICE_KIND, API_SERVICE, {
      metadata: { labels: { 'kube-aggregator.kubernetes.io/automanaged': null } },
      spec: { service: { name: 'nowhere', namespace: 'default', port: 443 }, insecureSkipTLSVerify: true },
    }),
  isKnown: async ({ client, signal }) => {
    const live = await client.get(API_SERVICE_KIND, API_SERVICE, signal);
    return live !== undefined && (live.spec?.service ?? null) === null;
  },
};

const LOCKS: Readonly<Record<string, Lock>> = {
  SovereignPolicy: SOVEREIGN_POLICY,
  FloorParameters: deletionOf(FLOOR_PARAMETERS_KIND, NAMESPACES_PARAMETERS),
  Namespace: NAMESPACE,
  Node: NODE,
  Pod: POD,
  ValidatingAdmissionPolicy: deletionOf(ADMISSION_POLICY_KIND, 'fso-floor-pods-deny'),
  ValidatingAdmissionPolicyBinding: deletionOf(ADMISSION_POLICY_BINDING_KIND, 'fso-floor-pods-deny'),
  MutatingAdmissionPolicy: deletionOf('MutatingAdmissionPolicy', 'fso-placement-injection'),
  MutatingAdmissionPolicyBinding: deletionOf('MutatingAdmissionPolicyBinding', 'fso-placement-injection'),
  ConstraintTemplate: CONSTRAINT_TEMPLATE,
  K8sGeoResidency: CONSTRAINT,
  ValidatingWebhookConfiguration: WEBHOOK,
  CustomResourceDefinition: CUSTOM_RESOURCE,
  APIService: REDIRECT,
};

/** Lock of a kind that is new here. It is not taken away: objects of the kind are only touched. */
const UNKNOWN: Lock = { take: async () => undefined, isKnown: () => true };

export const lockOf = (kind: string): Lock => LOCKS[kind] ?? UNKNOWN;
