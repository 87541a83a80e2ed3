import {
  ANNOTATIONS,
  API_VERSION,
  CANARY_NAMESPACE,
  CONDITIONS,
  type Condition,
  FIELD_MANAGERS,
  FINALIZER,
  type KubeObject,
  LABELS,
  type SovereignPolicy,
  SYSTEM_NAMESPACE,
} from '@fso/shared/api';
import {
  ADMISSION_POLICY_BINDING_KIND,
  ADMISSION_POLICY_KIND,
  CONSTRAINT_TEMPLATE_KIND,
  FLOOR_PARAMETERS_KIND,
  GEO_RESIDENCY_KIND,
  isNotFound,
  type KindDescriptor,
  type KubeClient,
  keyOfObject,
  type ListOptions,
  NAMESPACE_KIND,
  refOf,
  SOVEREIGN_POLICY_KIND,
  setCondition,
} from '@fso/shared/kube';
import { ignoreOutdated } from '../apply/index.ts';
import { INJECTION_NAME, type InjectionKinds, isFloorName, isGuardName, TEMPLATE_NAME } from '../enforce/index.ts';
import { REPORT_KIND, REPORT_SELECTOR } from '../openreports/index.ts';

/** Deletion or change of one object. */
export interface Removal {
  /** `Kind name`, or `Kind namespace/name`. */
  readonly object: string;
  run(signal: AbortSignal): Promise<void>;
}

/**
 * Step of the removal. It searches for what is left each time, so that an interrupted removal can
 * be resumed.
 */
export interface Step {
  /** Description of the step, e.g. `delete the bindings of lock 1`. */
  readonly title: string;
  /** @returns what is left to do */
  find(signal: AbortSignal): Promise<readonly Removal[]>;
  /** Whether the next step has to wait, because the API server applies this one with a delay. */
  readonly settles?: true;
}

/** Cluster to clean up, and the user who does it. */
export interface StepsContext {
  readonly client: KubeClient;
  readonly kinds: InjectionKinds;
  /** User who removes enforcement, for the status of the policies. */
  readonly user: string;
  readonly now: () => Date;
}

/**
 * Lists the steps in an order in which nothing refuses a later one. The guard protects what is
 * still there from other users.
 */
export const stepsOf = (context: StepsContext): readonly Step[] => {
  const { client, kinds } = context;
  const deletes = (title: string, kind: KindDescriptor, isOurs: (object: KubeObject) => boolean, options: ListOptions = {}): Step => ({
    title,
    find: async (signal) => (await listed(client, kind, signal, options)).filter(isOurs).map((object) => deletion(client, kind, object)),
  });
  const named =
    (isOurs: (name: string) => boolean) =>
    ({ metadata }: KubeObject): boolean =>
      isOurs(metadata.name);
  const isInjection = named((name) => name === INJECTION_NAME);
  return [
    {
      title: 'release the SovereignPolicies',
      find: async (signal) => (await listed(client, SOVEREIGN_POLICY_KIND, signal)).flatMap((policy) => release(policy, context)),
    },
    deletes('delete the reports of openreports.io', REPORT_KIND, () => true, { labelSelector: REPORT_SELECTOR }),
    deletes('delete the binding of placement injection', kinds.binding, isInjection),
    deletes('delete the policy of placement injection', kinds.policy, isInjection),
    { ...deletes('delete the bindings of lock 1', ADMISSION_POLICY_BINDING_KIND, named(isFloorName)), settles: true },
    deletes('delete the policies of lock 1', ADMISSION_POLICY_KIND, named(isFloorName)),
    deletes('delete the constraints of lock 2', GEO_RESIDENCY_KIND, ({ metadata }) => metadata.labels?.[LABELS.component] !== undefined),
    deletes(
      'delete the template of lock 2',
      CONSTRAINT_TEMPLATE_KIND,
      named((name) => name === TEMPLATE_NAME),
    ),
    deletes('delete the parameters of lock 1', FLOOR_PARAMETERS_KIND, () => true),
    deletes(
      `delete the namespace ${CANARY_NAMESPACE}`,
      NAMESPACE_KIND,
      named((name) => name === CANARY_NAMESPACE),
    ),
    { ...deletes('delete the bindings of the guard', ADMISSION_POLICY_BINDING_KIND, named(isGuardName)), settles: true },
    deletes('delete the policies of the guard', ADMISSION_POLICY_KIND, named(isGuardName)),
    { title: 'clear the record of the installation', find: (signal) => findRecord(client, signal) },
  ];
};

/**
 * Lists the objects of a kind that are not being deleted yet; none if the API server does not serve
 * the kind.
 */
const listed = async <T extends KubeObject>(
  client: KubeClient,
  kind: KindDescriptor<T>,
  signal: AbortSignal,
  options: ListOptions = {},
): Promise<readonly T[]> => {
  try {
    const objects = await client.list(kind, options, signal);
    return kind.kind === SOVEREIGN_POLICY_KIND.kind ? objects : objects.filter(({ metadata }) => metadata.deletionTimestamp === undefined);
  } catch (error) {
    if (isNotFound(error)) return [];
    throw error;
  }
};

const deletion = (client: KubeClient, kind: KindDescriptor, object: KubeObject): Removal => ({
  object: `${kind.kind} ${keyOfObject(object)}`,
  run: (signal) => client.delete(kind, refOf(object), signal),
});

/**
 * Releases a policy, which the user keeps: its status shows that nothing enforces it, and its
 * finalizer is removed.
 */
const release = (policy: SovereignPolicy, { client, user, now }: StepsContext): readonly Removal[] => {
  const { name, namespace = '', uid, finalizers = [], generation = 0 } = policy.metadata;
  if (!finalizers.includes(FINALIZER)) return [];
  const message = `nothing enforces this policy: ${user} removed enforcement from this cluster with "fso-agent uninstall"`;
  const conditions = [
    { type: CONDITIONS.ready, status: 'False', reason: 'Uninstalled', message } as const,
    { type: CONDITIONS.stalled, status: 'True', reason: 'Uninstalled', message } as const,
  ].reduce<Condition[]>((set, condition) => setCondition(set, condition, now()), []);
  const status = { phase: 'Failed', message, observedGeneration: generation, lastUpdated: now().toISOString(), conditions } as const;
  const body = {
    apiVersion: API_VERSION,
    kind: SOVEREIGN_POLICY_KIND.kind,
    metadata: { namespace, name, uid },
    status,
  } as unknown as SovereignPolicy;
  const options = { fieldManager: FIELD_MANAGERS.status, force: true, subresource: 'status' } as const;
  const write = async (signal: AbortSignal): Promise<void> => {
    const { metadata } = (await client.apply(SOVEREIGN_POLICY_KIND, body, options, signal)).object;
    const left = metadata.finalizers?.filter((finalizer) => finalizer !== FINALIZER);
    const patch = { metadata: { finalizers: left, resourceVersion: metadata.resourceVersion } };
    await client.mergePatch(SOVEREIGN_POLICY_KIND, { namespace, name }, patch, signal);
  };
  return [
    {
      object: `SovereignPolicy ${namespace}/${name}`,
      // A policy that was changed or deleted meanwhile is found again.
      run: (signal) => ignoreOutdated(write(signal)),
    },
  ];
};

/**
 * Finds the record of the installation. It has to be removed, because an agent that is installed
 * again would report the removal as tampering. The request stays and keeps agents from installing.
 */
const findRecord = async (client: KubeClient, signal: AbortSignal): Promise<readonly Removal[]> => {
  const ref = { name: SYSTEM_NAMESPACE };
  const annotations = (await client.get(NAMESPACE_KIND, ref, signal))?.metadata.annotations ?? {};
  const { installed, installedText } = ANNOTATIONS;
  if (!(installed in annotations) && !(installedText in annotations)) return [];
  const patch = { metadata: { annotations: { [installed]: null, [installedText]: null } } };
  return [
    {
      object: `Namespace ${SYSTEM_NAMESPACE}`,
      run: (abort) => ignoreOutdated(client.mergePatch(NAMESPACE_KIND, ref, patch, abort)),
    },
  ];
};
