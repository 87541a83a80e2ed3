import { API_GROUP, type FloorParameters, type KubeObject, LABELS, type SovereignPolicy } from '@fso/shared/api';
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
  type InformerOptions,
  type KindDescriptor,
  NAMESPACE_KIND,
  NODE_KIND,
  type ObjectKey,
  SOVEREIGN_POLICY_KIND,
  VALIDATING_WEBHOOK_CONFIGURATION_KIND,
  type ValidatingAdmissionPolicy,
  type ValidatingAdmissionPolicyBinding,
  type ValidatingWebhookConfiguration,
} from '@fso/shared/kube';
import type { ObservedKind } from '@fso/shared/protocol';
import {
  type AdmissionObject,
  type Constraint,
  type InjectionKinds,
  type NamespaceInput,
  type PolicyInput,
  TEMPLATE_NAME,
  type Template,
  WEBHOOK_CONFIGURATION_NAME,
} from '../enforce/index.ts';
import type { KindState } from '../observation/index.ts';
import type { Malformed } from './decode.ts';
import { EnforcedPolicies, partsOfKey } from './enforced-policies.ts';
import { PlacedNodes } from './nodes/placed-nodes.ts';
import { ignoreUnchanged, isSameFit, type ReducedNode, reduceNode } from './nodes/reduce-node.ts';
import { MalformedObjects, RedirectedGroups } from './object-problems.ts';
import { PodsByNamespace } from './pod-set.ts';
import { recoverSpecs } from './recover-specs.ts';
import {
  isSamePod,
  type Namespace,
  POD_KIND,
  POD_PAGE,
  type Pod,
  reduceAdmissionBinding,
  reduceAdmissionPolicy,
  reduceApiService,
  reduceConstraint,
  reduceDefinition,
  reduceMutatingObject,
  reduceNamespace,
  reduceParameters,
  reducePod,
  reduceTemplate,
  reduceWebhookConfiguration,
  toNamespaceInput,
} from './reduce.ts';
import { reducePolicy } from './reduce-policy.ts';
import { SchemaRereads } from './schema-rereads.ts';
import { type ClusterViewDeps, seenBy, UnreadKindError, type ViewHandlers } from './view-deps.ts';

/** Live state of the cluster, from which the agent plans every reconcile. */
export class ClusterView {
  readonly policies: Informer<SovereignPolicy>;
  readonly namespaces: Informer<Namespace>;
  readonly nodes: Informer<ReducedNode>;
  /** Nodes with their places. */
  readonly places: PlacedNodes;
  readonly pods: Informer<Pod>;
  readonly admissionPolicies: Informer<ValidatingAdmissionPolicy>;
  readonly admissionBindings: Informer<ValidatingAdmissionPolicyBinding>;
  readonly parameters: Informer<FloorParameters>;
  /** This system's template alone: others may be of any number and size. */
  readonly templates: Informer<Template>;
  readonly constraints: Informer<Constraint>;
  readonly mutatingPolicies: Informer<AdmissionObject>;
  readonly mutatingBindings: Informer<AdmissionObject>;
  readonly injectionKinds: InjectionKinds;
  readonly apiServices: Informer<ApiService>;
  /** The configuration through which the API server calls Gatekeeper, and no other. */
  readonly webhookConfigurations: Informer<ValidatingWebhookConfiguration>;
  /**
   * Informers of this system's CRDs, one for each. A list of all CRDs would hold every schema of
   * the cluster.
   */
  readonly definitions: readonly Informer<CustomResourceDefinition>[];
  readonly #enforced: EnforcedPolicies;
  readonly #informers: readonly { readonly kind: KindDescriptor; readonly informer: Informer<KubeObject> }[];
  readonly #kinds: readonly KindState[];
  readonly #byKind: ReadonlyMap<string, Informer<KubeObject>>;
  readonly #podsByNamespace = new PodsByNamespace();
  readonly #redirected = new RedirectedGroups();
  readonly #malformed = new MalformedObjects();
  #version = 0;

  constructor({ factory, kinds, clock, podListMs, onPod }: ClusterViewDeps, signal: AbortSignal) {
    const informers: { kind: KindDescriptor; informer: Informer<KubeObject> }[] = [];
    const read = <T extends KubeObject>(
      kind: KindDescriptor<T>,
      transform: (object: T) => T & Malformed,
      options: InformerOptions<T> = {},
    ): Informer<T> => {
      const informer = factory.informer(kind, { ...options, transform: (object) => this.#malformed.note(kind, transform(object)) });
      informer.onChange((key, current) => {
        if (current === undefined) this.#malformed.delete(kind, key);
      });
      informers.push({ kind, informer: informer as unknown as Informer<KubeObject> });
      return informer;
    };
    const owned = { labelSelector: LABELS.component };
    const rereads = new SchemaRereads(clock, signal);
    this.policies = read(SOVEREIGN_POLICY_KIND, reducePolicy);
    this.namespaces = read<Namespace>(NAMESPACE_KIND, reduceNamespace);
    this.nodes = read<ReducedNode>(NODE_KIND, reduceNode);
    this.places = new PlacedNodes(this.nodes);
    const pages = { pageSize: POD_PAGE, ...(podListMs !== undefined && { listEveryMs: podListMs }) };
    this.pods = read(POD_KIND, seenBy(onPod, reducePod), pages);
    this.admissionPolicies = read(ADMISSION_POLICY_KIND, reduceAdmissionPolicy, owned);
    this.admissionBindings = read(ADMISSION_POLICY_BINDING_KIND, reduceAdmissionBinding, owned);
    this.parameters = read(FLOOR_PARAMETERS_KIND, reduceParameters);
    this.templates = read(CONSTRAINT_TEMPLATE_KIND, reduceTemplate, { fieldSelector: `metadata.name=${TEMPLATE_NAME}` });
    this.constraints = read(GEO_RESIDENCY_KIND, reduceConstraint);
    this.injectionKinds = kinds;
    this.mutatingPolicies = read(kinds.policy, reduceMutatingObject, owned);
    this.mutatingBindings = read(kinds.binding, reduceMutatingObject, owned);
    this.apiServices = read(API_SERVICE_KIND, reduceApiService);
    this.webhookConfigurations = read(VALIDATING_WEBHOOK_CONFIGURATION_KIND, reduceWebhookConfiguration, {
      fieldSelector: `metadata.name=${WEBHOOK_CONFIGURATION_NAME}`,
    });
    this.definitions = [
      [SOVEREIGN_POLICY_KIND.plural, this.policies] as const,
      [FLOOR_PARAMETERS_KIND.plural, this.parameters] as const,
    ].map(([plural, objects]) => {
      const definition = read(CRD_KIND, reduceDefinition, { fieldSelector: `metadata.name=${plural}.${API_GROUP}` });
      definition.onChange((_key, current, previous) => {
        if (current === undefined || previous === undefined) return;
        if (current.metadata.generation !== previous.metadata.generation) rereads.readAgain(objects);
      });
      return definition;
    });
    this.#informers = informers;
    this.#kinds = informers.map(({ kind, informer }) => ({ kind: kind.kind as ObservedKind, informer }));
    this.#byKind = new Map(informers.filter(({ kind }) => kind.kind !== CRD_KIND.kind).map(({ kind, informer }) => [kind.kind, informer]));
    this.pods.onChange((key, current) => this.#podsByNamespace.set(key, current));
    this.apiServices.onChange((_key, current) => this.#checkApi(current));
    const count = (): void => {
      this.#version += 1;
    };
    this.#follow({ onChange: count, onWorkload: count });
    const recover = (key: string) => {
      this.assertRead(GEO_RESIDENCY_KIND, FLOOR_PARAMETERS_KIND, NAMESPACE_KIND);
      return recoverSpecs(key, {
        constraints: this.constraints.list(),
        namespaces: this.namespaces.list(),
        parameters: this.parameters.list(),
      });
    };
    this.#enforced = new EnforcedPolicies({ policies: this.policies, apiServices: this.apiServices, recover }, signal);
  }

  /** Descriptions of unreadable fields, for people, by `Kind/key` of the object. */
  get malformed(): ReadonlyMap<string, string> {
    return this.#malformed.problems;
  }

  /** Every kind that is read, with its informer. */
  kinds(): readonly KindState[] {
    return this.#kinds;
  }

  /** Counter of changes that a reconcile would see. An equal number means that nothing changed. */
  get version(): number {
    return this.#version;
  }

  /** Lists every kind again. Until then a kind counts as never read. */
  restart(): void {
    for (const { informer } of this.#informers) informer.restart();
  }

  /**
   * Asserts that kinds were read.
   *
   * @throws UnreadKindError if the API server serves a kind of which no list was ever read
   */
  assertRead(...kinds: readonly KindDescriptor[]): void {
    const unread = this.#informers.filter(
      ({ kind, informer }) => kinds.some((wanted) => wanted.kind === kind.kind) && informer.served && !informer.synced,
    );
    if (unread.length > 0) throw new UnreadKindError(`not read yet: ${unread.map(({ kind }) => kind.plural).join(', ')}`);
  }

  /**
   * Lists a group again once its APIService is repaired: objects from another server are no
   * evidence, and its watches may outlive the repair.
   */
  #checkApi(api: ApiService | undefined): void {
    const group = this.#redirected.takeRepaired(api);
    if (group === undefined) return;
    for (const { kind, informer } of this.#informers) if (kind.apiVersion.startsWith(`${group}/`)) informer.restart();
  }

  /**
   * Registers handlers, which only request a new plan.
   *
   * @returns function that ends the subscription
   */
  subscribe({ onChange, onWorkload }: ViewHandlers): () => void {
    this.#enforced.onHoldEnd(onChange);
    return this.#follow({ onChange, onWorkload });
  }

  /** Follows changes. Most updates of nodes and pods concern fields that no plan reads. */
  #follow({ onChange, onWorkload }: ViewHandlers): () => void {
    const workload: readonly string[] = [NODE_KIND.kind, POD_KIND.kind];
    const ends = [
      ...this.#informers
        .filter(({ kind }) => !workload.includes(kind.kind))
        .flatMap(({ informer }) => [informer.onChange(onChange), informer.onServed(onChange)]),
      this.nodes.onChange(ignoreUnchanged(isSameFit, onWorkload)),
      this.pods.onChange(ignoreUnchanged(isSamePod, onWorkload)),
      this.places.onChange(onChange),
    ];
    return () => {
      for (const end of ends) end();
    };
  }

  async ready(signal: AbortSignal): Promise<void> {
    await Promise.all(this.#informers.map(({ informer }) => informer.ready(signal)));
  }

  /** Gets an object of the locks from the cache. */
  objectOf(kind: KindDescriptor, key: ObjectKey): KubeObject | undefined {
    return kind.kind === CRD_KIND.kind ? this.definition(key) : this.#byKind.get(kind.kind)?.get(key);
  }

  definition(name: string): CustomResourceDefinition | undefined {
    return this.definitions.map((informer) => informer.get(name)).find((definition) => definition !== undefined);
  }

  get areDefinitionsReadable(): boolean {
    return this.definitions.every(({ served, synced }) => served && synced);
  }

  /** Gets the `resourceVersion` of a cached object. */
  versionOf(kind: KindDescriptor, key: ObjectKey): string | undefined {
    return this.objectOf(kind, key)?.metadata.resourceVersion;
  }

  /** Pods of a namespace: the same object while they are unchanged. */
  podsIn(namespace: string): Iterable<Pod> {
    return this.#podsByNamespace.in(namespace);
  }

  /** The policies to enforce; see {@link EnforcedPolicies}. */
  livePolicies(): readonly SovereignPolicy[] {
    return this.#enforced.list();
  }

  livePolicy(key: string): SovereignPolicy | undefined {
    return this.#enforced.get(partsOfKey(key));
  }

  policyInputs(): PolicyInput[] {
    return this.#enforced.inputs();
  }

  /**
   * Gets a policy like {@link livePolicy}, without parsing the key: each reconcile gets every
   * policy.
   */
  livePolicyOf(policy: Pick<PolicyInput, 'key' | 'namespace' | 'name'>): SovereignPolicy | undefined {
    return this.#enforced.get(policy);
  }

  namespaceInputs(): NamespaceInput[] {
    return this.namespaces.list().map(toNamespaceInput);
  }
}
