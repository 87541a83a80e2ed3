import {
  API_GROUP,
  type FloorParameters,
  isHubManaged,
  type KubeObject,
  LABELS,
  parsePolicyKey,
  policyKeyOf,
  revisionOf,
  type SovereignPolicy,
} from '@fso/shared/api';
import {
  ADMISSION_POLICY_BINDING_KIND,
  ADMISSION_POLICY_KIND,
  API_SERVICE_KIND,
  type ApiService,
  CONSTRAINT_TEMPLATE_KIND,
  CRD_KIND,
  type CustomResourceDefinition,
  FLOOR_PARAMETERS_KIND,
  GEO_RESIDENCY_KIND,
  type Informer,
  type InformerFactory,
  type KindDescriptor,
  keyOf,
  NAMESPACE_KIND,
  NODE_KIND,
  type Node,
  type ObjectKey,
  SOVEREIGN_POLICY_KIND,
  VALIDATING_WEBHOOK_CONFIGURATION_KIND,
  type ValidatingAdmissionPolicy,
  type ValidatingAdmissionPolicyBinding,
  type ValidatingWebhookConfiguration,
} from '@fso/shared/kube';
import type { Clock } from '@fso/shared/runtime';
import type { AdmissionObject, Constraint, InjectionKinds, NamespaceInput, PolicyInput, Template } from '../enforce/index.ts';
import { isRedirected, POLICY_API, WEBHOOK_CONFIGURATION_NAME } from '../enforce/index.ts';
import { PodSet } from './pod-set.ts';
import {
  isSameNode,
  isSamePod,
  type Namespace,
  POD_KIND,
  type Pod,
  reduceApiService,
  reduceDefinition,
  reduceNamespace,
  reduceNode,
  reducePod,
  reducePolicy,
  reduceWebhookConfiguration,
} from './reduce.ts';

/** Skips updates that did not change the reduced object. */
const ignoreUnchanged =
  <T>(isSame: (a: T, b: T) => boolean, handler: () => void) =>
  (_key: ObjectKey, current: T | undefined, previous: T | undefined): void => {
    if (current === undefined || previous === undefined || !isSame(current, previous)) handler();
  };

export type NodesByName = Pick<Informer<Node>, 'get'>;

/** Pods are the largest objects, and their number is unlimited. */
const POD_PAGE = 50;

export interface ViewHandlers {
  /** Called when an object that enforcement depends on changes. */
  readonly onChange: () => void;
  /** Called when pods or nodes change, and so maybe the violations. */
  readonly onWorkload: () => void;
}

export interface ClusterViewDeps {
  readonly factory: InformerFactory;
  readonly kinds: InjectionKinds;
  readonly clock: Clock;
}

/** How long an API server may go on with the schema from before a change of a CRD, ms: it follows CRDs by a watch of its own. */
const OLD_SCHEMA_MS = 10_000;

/** The live state of the cluster, from which the agent plans every round. */
export class ClusterView {
  readonly policies: Informer<SovereignPolicy>;
  readonly namespaces: Informer<Namespace>;
  readonly nodes: Informer<Node>;
  readonly pods: Informer<Pod>;
  readonly admissionPolicies: Informer<ValidatingAdmissionPolicy>;
  readonly admissionBindings: Informer<ValidatingAdmissionPolicyBinding>;
  readonly parameters: Informer<FloorParameters>;
  readonly templates: Informer<Template>;
  readonly constraints: Informer<Constraint>;
  readonly mutatingPolicies: Informer<AdmissionObject>;
  readonly mutatingBindings: Informer<AdmissionObject>;
  readonly injectionKinds: InjectionKinds;
  readonly apiServices: Informer<ApiService>;
  /** The one by which the API server asks Gatekeeper. */
  readonly webhookConfigurations: Informer<ValidatingWebhookConfiguration>;
  /** The CRDs of this system, one each: a list of all of them would hold every schema of the cluster. */
  readonly definitions: readonly Informer<CustomResourceDefinition>[];
  readonly #byKind: ReadonlyMap<string, Informer<KubeObject>>;
  readonly #podsByNamespace = new Map<string, PodSet>();
  #nodesByName: NodesByName;
  /** The last policies from before their kind became unreadable; undefined: it is readable. */
  #held: ReadonlyMap<string, SovereignPolicy> | undefined;
  #isServed: boolean = true;
  /** Whether the API server itself serves the policies. */
  #isOwnApi: boolean = true;
  /** Number of times that another server was seen in its place. */
  #redirects = 0;
  #onHoldEnd: () => void = () => undefined;
  /** Lists that are still to come after a change of a CRD. */
  readonly #rereads = new Map<Informer<KubeObject>, AbortController>();
  readonly #signal: AbortSignal;
  readonly #policyInputs = new WeakMap<SovereignPolicy, PolicyInput>();
  readonly #namespaceInputs = new WeakMap<Namespace, NamespaceInput>();

  constructor({ factory, kinds, clock }: ClusterViewDeps, signal: AbortSignal) {
    this.#signal = signal;
    const owned = { labelSelector: LABELS.component };
    this.policies = factory.informer(SOVEREIGN_POLICY_KIND, { transform: reducePolicy });
    this.namespaces = factory.informer(NAMESPACE_KIND, { transform: reduceNamespace });
    this.nodes = factory.informer(NODE_KIND, { transform: reduceNode });
    this.pods = factory.informer(POD_KIND, { transform: reducePod, pageSize: POD_PAGE });
    this.admissionPolicies = factory.informer(ADMISSION_POLICY_KIND, owned);
    this.admissionBindings = factory.informer(ADMISSION_POLICY_BINDING_KIND, owned);
    this.parameters = factory.informer(FLOOR_PARAMETERS_KIND);
    this.templates = factory.informer(CONSTRAINT_TEMPLATE_KIND);
    this.constraints = factory.informer(GEO_RESIDENCY_KIND);
    this.injectionKinds = kinds;
    this.mutatingPolicies = factory.informer(kinds.policy, owned);
    this.mutatingBindings = factory.informer(kinds.binding, owned);
    this.apiServices = factory.informer(API_SERVICE_KIND, { transform: reduceApiService });
    this.webhookConfigurations = factory.informer(VALIDATING_WEBHOOK_CONFIGURATION_KIND, {
      fieldSelector: `metadata.name=${WEBHOOK_CONFIGURATION_NAME}`,
      transform: reduceWebhookConfiguration,
    });
    this.definitions = [
      [SOVEREIGN_POLICY_KIND.plural, this.policies] as const,
      [FLOOR_PARAMETERS_KIND.plural, this.parameters] as const,
    ].map(([plural, objects]) => {
      const fieldSelector = `metadata.name=${plural}.${API_GROUP}`;
      const definition = factory.informer(CRD_KIND, { fieldSelector, transform: reduceDefinition });
      definition.onChange((_key, current, previous) => {
        if (current === undefined || previous === undefined) return;
        if (current.metadata.generation !== previous.metadata.generation) this.#readAgain(objects, clock);
      });
      return definition;
    });
    this.#byKind = new Map<string, Informer<KubeObject>>([
      [SOVEREIGN_POLICY_KIND.kind, this.policies],
      [NAMESPACE_KIND.kind, this.namespaces],
      [ADMISSION_POLICY_KIND.kind, this.admissionPolicies],
      [ADMISSION_POLICY_BINDING_KIND.kind, this.admissionBindings],
      [API_SERVICE_KIND.kind, this.apiServices],
      [VALIDATING_WEBHOOK_CONFIGURATION_KIND.kind, this.webhookConfigurations],
      [FLOOR_PARAMETERS_KIND.kind, this.parameters],
      [CONSTRAINT_TEMPLATE_KIND.kind, this.templates],
      [GEO_RESIDENCY_KIND.kind, this.constraints],
      [kinds.policy.kind, this.mutatingPolicies],
      [kinds.binding.kind, this.mutatingBindings],
    ]);
    this.pods.onChange((key, current, previous) => this.#indexPod(key, current, previous));
    const lookUp = (): NodesByName => ({ get: (name) => this.nodes.get(name) });
    this.#nodesByName = lookUp();
    const renew = (): void => {
      this.#nodesByName = lookUp();
    };
    this.nodes.onChange(ignoreUnchanged(isSameNode, renew));
    this.policies.onServed((served) => {
      this.#isServed = served;
      this.#hold();
    });
    this.apiServices.onChange((key) => {
      if (key === POLICY_API) this.#checkApi();
    });
  }

  /**
   * An open watch brings objects as the schema was when it began, so without the fields that a newer one has, and a version that was read
   * once is not brought again. After a change the objects are listed at once, and once more when the API server surely knows the schema.
   */
  #readAgain(objects: Informer<KubeObject>, clock: Clock): void {
    this.#rereads.get(objects)?.abort();
    const later = new AbortController();
    this.#rereads.set(objects, later);
    const signal = AbortSignal.any([this.#signal, later.signal]);
    const read = async (): Promise<void> => {
      await objects.relist(signal);
      await clock.sleep(OLD_SCHEMA_MS, signal);
      await objects.relist(signal);
    };
    // Aborted: the agent ends, or another change has the objects read.
    void read().catch(() => undefined);
  }

  #hold(): void {
    if (this.#isServed && this.#isOwnApi) this.#held = undefined;
    else this.#held ??= new Map(this.policies.list().map((policy) => [policyKeyOf(policy), policy]));
  }

  /**
   * A service that serves the group instead of the API server may list no policies. The earlier policies stay in force until two
   * consecutive lists, both read while the API server serves the group itself, replace them.
   */
  #checkApi(): void {
    const api = this.apiServices.get(POLICY_API);
    if (api !== undefined && !isRedirected(api)) {
      if (!this.#isOwnApi) void this.#readTwice().catch(() => undefined);
      return;
    }
    this.#redirects += 1;
    this.#isOwnApi = false;
    this.#hold();
  }

  async #readTwice(): Promise<void> {
    const redirects = this.#redirects;
    for (let read = 0; read < 2; read += 1) await this.policies.relist(this.#signal);
    // The group may have been redirected again.
    if (redirects !== this.#redirects) return;
    this.#isOwnApi = true;
    this.#hold();
    this.#onHoldEnd();
  }

  /** Calls the handlers, which only ask for a new plan. @returns a function that ends the subscription */
  subscribe({ onChange, onWorkload }: ViewHandlers): () => void {
    this.#onHoldEnd = onChange;
    const enforced: readonly Informer<KubeObject>[] = [...this.#byKind.values(), ...this.definitions];
    const ends = [
      ...enforced.flatMap((informer) => [informer.onChange(onChange), informer.onServed(onChange)]),
      this.nodes.onChange(ignoreUnchanged(isSameNode, onWorkload)),
      this.pods.onChange(ignoreUnchanged(isSamePod, onWorkload)),
    ];
    return () => {
      for (const end of ends) end();
    };
  }

  async ready(signal: AbortSignal): Promise<void> {
    const all: readonly Informer<KubeObject>[] = [...this.#byKind.values(), ...this.definitions, this.nodes, this.pods];
    await Promise.all(all.map((informer) => informer.ready(signal)));
  }

  get synced(): boolean {
    return [...this.#byKind.values(), this.nodes, this.pods].every((informer) => informer.synced || !informer.served);
  }

  /** An object of the locks from the cache. */
  objectOf(kind: KindDescriptor, key: ObjectKey): KubeObject | undefined {
    return kind.kind === CRD_KIND.kind ? this.definition(key) : this.#byKind.get(kind.kind)?.get(key);
  }

  definition(name: string): CustomResourceDefinition | undefined {
    return this.definitions.map((informer) => informer.get(name)).find((definition) => definition !== undefined);
  }

  get areDefinitionsReadable(): boolean {
    return this.definitions.every(({ served, synced }) => served && synced);
  }

  /** `resourceVersion` of an object in the cache, by kind. */
  versionOf(kind: KindDescriptor, key: ObjectKey): string | undefined {
    return this.objectOf(kind, key)?.metadata.resourceVersion;
  }

  /** The same object for as long as the pods of the namespace are the same. */
  podsIn(namespace: string): Iterable<Pod> {
    return this.#podsByNamespace.get(namespace) ?? PodSet.NONE;
  }

  /** The same object for as long as each node is in the region in which it was. */
  get nodesByName(): NodesByName {
    return this.#nodesByName;
  }

  /**
   * The policies to enforce. While their kind cannot be read, the last ones stay in force: an API server that does not know the
   * kind, or a deleted CRD, must not open the locks.
   */
  livePolicies(): readonly SovereignPolicy[] {
    return this.#held === undefined ? this.policies.list() : [...this.#held.values()];
  }

  livePolicy(key: string): SovereignPolicy | undefined {
    return this.livePolicyOf({ key, ...parsePolicyKey(key) });
  }

  policyInputs(): PolicyInput[] {
    return this.livePolicies().map((policy) => memoized(this.#policyInputs, policy, toPolicyInput));
  }

  /** As {@link livePolicy}, without parsing the key: every round asks it for every policy. */
  livePolicyOf({ key, namespace, name }: Pick<PolicyInput, 'key' | 'namespace' | 'name'>): SovereignPolicy | undefined {
    return this.#held === undefined ? this.policies.get(keyOf({ namespace, name })) : this.#held.get(key);
  }

  namespaceInputs(): NamespaceInput[] {
    return this.namespaces.list().map((namespace) => memoized(this.#namespaceInputs, namespace, toNamespaceInput));
  }

  #indexPod(key: ObjectKey, current: Pod | undefined, previous: Pod | undefined): void {
    const namespace = (current ?? previous)?.metadata.namespace ?? key.split('/')[0] ?? '';
    const pods = (this.#podsByNamespace.get(namespace) ?? PodSet.NONE).with(key, current);
    if (pods === PodSet.NONE) this.#podsByNamespace.delete(namespace);
    else this.#podsByNamespace.set(namespace, pods);
  }
}

const memoized = <K extends object, V>(cache: WeakMap<K, V>, key: K, make: (key: K) => V): V => {
  const known = cache.get(key);
  if (known !== undefined) return known;
  const value = make(key);
  cache.set(key, value);
  return value;
};

export const toPolicyInput = (policy: SovereignPolicy): PolicyInput => {
  const { metadata, spec } = policy;
  return {
    key: policyKeyOf(policy),
    namespace: metadata.namespace ?? '',
    name: metadata.name,
    managedBy: isHubManaged(policy) ? 'hub' : 'local',
    revision: revisionOf(policy),
    generation: metadata.generation ?? 0,
    created: metadata.creationTimestamp,
    spec,
    deleting: metadata.deletionTimestamp !== undefined,
  };
};

const toNamespaceInput = ({ metadata, held }: Namespace): NamespaceInput => ({
  name: metadata.name,
  terminating: metadata.deletionTimestamp !== undefined,
  labels: metadata.labels ?? {},
  annotations: metadata.annotations ?? {},
  held,
});
