import {
  API_VERSION,
  FIELD_MANAGERS,
  FINALIZER,
  FLOOR_ACTIONS,
  floorPoliciesAnnotation,
  type KubeObject,
  LABELS,
  policyKeyOf,
  type SovereignPolicy,
  type SovereignPolicyStatus,
} from '@fso/shared/api';
import {
  CRD_KIND,
  type CustomResourceDefinition,
  GEO_RESIDENCY_KIND,
  isConflict,
  isNotFound,
  type KindDescriptor,
  type KubeClient,
  keyOf,
  keyOfObject,
  SOVEREIGN_POLICY_KIND as POLICY_KIND,
} from '@fso/shared/kube';
import { type ClusterView, MAX_FINALIZERS } from '../cache/index.ts';
import { isPlain } from '../compare.ts';
import { type Action, entriesOf, keptFields, policiesInParameters, type ServerDefaults } from '../enforce/index.ts';
import { traceOf } from '../observe/index.ts';
import type { ClusterPlan } from '../plan/index.ts';
import { runAction } from './apply-action.ts';
import { PRIORITIES, type Repair, type Write, type WriteOutcome } from './write-pool.ts';

/** API server, caches, and receivers of what writes reveal. */
export interface WriteContext {
  readonly client: KubeClient;
  readonly view: ClusterView;
  readonly defaults: ServerDefaults;
  /** Gets each CRD after a write. */
  readonly onDefinition: (definition: CustomResourceDefinition) => void;
  /** Gets each repair that a conflict revealed. */
  readonly onTookOver: (repair: Repair) => void;
}

/** Kinds whose writes put a changed policy in force. */
const FIRST: ReadonlySet<string> = new Set([
  'CustomResourceDefinition',
  'FloorParameters',
  'Namespace',
  'ValidatingAdmissionPolicy',
  'ValidatingAdmissionPolicyBinding',
]);

/** Retries of the floor and its guard. The floor is open while one of their objects is missing. */
const FLOOR_RETRY = { capMs: 5_000 } as const;
/** Retries of the hub's policies. A policy that is not written is not enforced. */
const POLICY_RETRY = { firstMs: 500, secondMs: 1_000, capMs: 30_000 } as const;
/**
 * Time to wait for the cache to show a write to a policy, in ms. A commit can change all policies,
 * each of up to half a megabyte. Rewriting them every second would delay a slow watch even more.
 */
const POLICY_ECHO_MS = 30_000;
const FLOOR_OBJECT = /^ValidatingAdmissionPolicy(Binding)?\/fso-(floor|guard)-/;

const waitsOf = (key: string, { kind }: KindDescriptor): Pick<Write, 'retry' | 'echoMs'> => {
  if (FLOOR_OBJECT.test(key)) return { retry: FLOOR_RETRY };
  return kind === POLICY_KIND.kind ? { retry: POLICY_RETRY, echoMs: POLICY_ECHO_MS } : {};
};

/** Key of the action's target in the cache. */
const cacheKeyOf = (action: Action): string => (action.type === 'apply' ? keyOfObject(action.body) : keyOf(action.ref));

/**
 * Turns the actions of a plan into writes, one per target, so that writes to one object never
 * overtake each other.
 */
export const buildWrites = (actions: readonly Action[], context: WriteContext): Write[] =>
  [...Map.groupBy(actions, (action) => action.key)].flatMap(([key, steps]) => {
    const [first] = steps;
    if (first === undefined) return [];
    const policies = [...new Set(steps.flatMap((step) => step.policies))];
    const isRepair = steps.some((step) => step.reason === 'Drift');
    return {
      key,
      policies,
      reason: isRepair ? 'Drift' : first.reason,
      ...(isRepair ? { repair: repairOf(first, policies, context.view) } : {}),
      priority: FIRST.has(first.kind.kind) ? PRIORITIES.locks : PRIORITIES.policies,
      ...waitsOf(key, first.kind),
      content: steps,
      liveVersion: () => context.view.versionOf(first.kind, cacheKeyOf(first)),
      run: async (signal: AbortSignal) => {
        const outcomes: WriteOutcome[] = [];
        for (const step of steps) outcomes.push(await runStep(step, context, signal));
        return outcomes.includes('written') ? 'written' : 'unchanged';
      },
    };
  });

/** Describes a repair. Built before the write, which overwrites the evidence of the change. */
const repairOf = (action: Action, policies: readonly string[], view: ClusterView): Repair => {
  const { key, kind } = action;
  const live = view.objectOf(kind, cacheKeyOf(action));
  const trace = isForgery(action) ? ({ what: 'forged' } as const) : traceOf(live);
  // A policy gets its Event as a policy.
  if (kind.kind === POLICY_KIND.kind) return { key, policies, trace };
  const { name } = action.type === 'apply' ? action.body.metadata : action.ref;
  const metadata = { name, ...(live?.metadata.uid === undefined ? {} : { uid: live.metadata.uid }) };
  // An object that all policies depend on, e.g. of the floor, is not written for any particular
  // one.
  const concerned = policies.length === 0 ? 'all' : policies;
  return { key, policies: concerned, trace, object: { apiVersion: kind.apiVersion, kind: kind.kind, metadata } };
};

/** Whether an action deletes a policy that claims to come from Git, which only the hub may do. */
const isForgery = ({ type, kind }: Action): boolean => type === 'delete' && kind.kind === POLICY_KIND.kind;

const runStep = async (step: Action, context: WriteContext, signal: AbortSignal): Promise<WriteOutcome> => {
  const { client, view, onTookOver } = context;
  const action = pinNamespace(step, view);
  if (action === undefined) return 'unchanged';
  const before = view.versionOf(action.kind, cacheKeyOf(action));
  const { tookOver, object } = await runAction(client, action, signal);
  if (tookOver) onTookOver(repairOf(step, step.policies, view));
  if (action.kind.kind === CRD_KIND.kind && object !== undefined) context.onDefinition(object as CustomResourceDefinition);
  if (action.type === 'patch') learnDefaults(action, object, context);
  return object !== undefined && object.metadata.resourceVersion === before ? 'unchanged' : 'written';
};

/**
 * Remembers fields that a patch removed and its response still has.
 *
 * @throws Error if a mutating webhook may have added them, as it would do so on each further write
 */
const learnDefaults = (
  { key, kind, patch }: Extract<Action, { type: 'patch' }>,
  answer: object | undefined,
  { defaults }: WriteContext,
): void => {
  const kept = keptFields(patch, answer)?.['spec'];
  if (!isPlain(kept)) return;
  // Admission policies are exempt from webhooks and admission policies.
  if (!kind.apiVersion.startsWith('admissionregistration.k8s.io/'))
    throw new Error(`fields that are removed from it come back with the answer, as from a mutating webhook: spec ${JSON.stringify(kept)}`);
  defaults.learn(key, kept);
};

/**
 * Adds the uid of a namespace, so that server-side apply does not recreate a deleted one.
 *
 * @returns undefined if the namespace is already gone
 */
const pinNamespace = (action: Action, view: ClusterView): Action | undefined => {
  if (action.type !== 'apply' || action.kind.kind !== 'Namespace' || action.reason === 'Install') return action;
  const uid = view.namespaces.get(action.body.metadata.name)?.metadata.uid;
  return uid === undefined ? undefined : { ...action, body: { ...action.body, metadata: { ...action.body.metadata, uid } } };
};

/**
 * Waits for a write, and ignores failures because its policy was deleted or changed meanwhile. The
 * next plan is based on the new state.
 */
export const ignoreOutdated = async (write: Promise<unknown>): Promise<void> => {
  try {
    await write;
  } catch (error) {
    if (!isNotFound(error) && !isConflict(error)) throw error;
  }
};

/**
 * Builds the write of a policy's status subresource by server-side apply. This field manager owns
 * all of the status.
 */
export const buildStatusWrite = (policy: SovereignPolicy, status: SovereignPolicyStatus, context: WriteContext): Write => {
  const { name, namespace = '' } = policy.metadata;
  const key = policyKeyOf(policy);
  const body = {
    apiVersion: API_VERSION,
    kind: POLICY_KIND.kind,
    metadata: { name, namespace, uid: policy.metadata.uid },
    status,
  } as SovereignPolicy;
  return {
    key: `SovereignPolicyStatus/${key}`,
    policies: [key],
    reason: 'Status',
    priority: PRIORITIES.status,
    echoMs: POLICY_ECHO_MS,
    liveVersion: () => context.view.versionOf(POLICY_KIND, keyOfObject(policy)),
    run: async (signal): Promise<WriteOutcome> => {
      const options = { fieldManager: FIELD_MANAGERS.status, force: true, subresource: 'status' } as const;
      await ignoreOutdated(context.client.apply(POLICY_KIND, body, options, signal));
      return 'written';
    },
  };
};

/** Finalizers of a policy with the agent's own added, or removed if the policy is being deleted. */
const nextFinalizers = ({ metadata: { deletionTimestamp, finalizers = [] } }: SovereignPolicy): readonly string[] => {
  const others = finalizers.filter((finalizer) => finalizer !== FINALIZER);
  return deletionTimestamp === undefined ? [...others, FINALIZER] : others;
};

/**
 * Reads a policy again if the cache may lack finalizers, because a patch of the list removes every
 * finalizer that it does not name.
 *
 * @returns undefined if the policy has changed, so that the next plan decides
 */
const withAllFinalizers = async (
  policy: SovereignPolicy,
  client: KubeClient,
  signal: AbortSignal,
): Promise<SovereignPolicy | undefined> => {
  const { name, namespace = '', uid, deletionTimestamp, finalizers = [] } = policy.metadata;
  if (finalizers.length < MAX_FINALIZERS) return policy;
  const live = await client.get(POLICY_KIND, { namespace, name }, signal);
  return live?.metadata.uid === uid && live?.metadata.deletionTimestamp === deletionTimestamp ? live : undefined;
};

/**
 * Builds a write that adds or removes the finalizer. `resourceVersion` turns a concurrent change of
 * the list into a conflict.
 */
const buildFinalizerWrite = (policy: SovereignPolicy, context: WriteContext): Write => {
  const { name, namespace = '' } = policy.metadata;
  const key = policyKeyOf(policy);
  return {
    key: `SovereignPolicyFinalizer/${key}`,
    policies: [key],
    reason: policy.metadata.deletionTimestamp === undefined ? 'Hold' : 'Released',
    priority: PRIORITIES.policies,
    echoMs: POLICY_ECHO_MS,
    liveVersion: () => context.view.versionOf(POLICY_KIND, keyOfObject(policy)),
    run: async (signal): Promise<WriteOutcome> => {
      const whole = await withAllFinalizers(policy, context.client, signal);
      if (whole === undefined) return 'unchanged';
      const patch = { metadata: { finalizers: nextFinalizers(whole), resourceVersion: whole.metadata.resourceVersion } };
      await ignoreOutdated(context.client.mergePatch(POLICY_KIND, { namespace, name }, patch, signal));
      return 'written';
    },
  };
};

/**
 * Keys of the policies that something in the cluster still enforces. Of lock 2 only writable
 * objects count: none if Gatekeeper is gone, and no constraint whose writes keep failing (`stuck`).
 * Later reconciles clean those up.
 */
const findEnforcedPolicies = (
  plan: Pick<ClusterPlan, 'namespaces'>,
  view: ClusterView,
  stuck: ReadonlySet<string>,
): ReadonlySet<string> => {
  const labelled = view.namespaces.list().flatMap(policiesOfNamespace);
  const writable = view.templates.served ? view.constraints.list().filter((constraint) => isWritable(constraint, stuck)) : [];
  const constrained = writable.flatMap((constraint) => entriesOf(constraint).map(({ name }) => name));
  const listed = policiesInParameters(view.parameters.list());
  return new Set([...plan.namespaces.flatMap((action) => action.policies), ...labelled, ...listed, ...constrained]);
};

const policiesOfNamespace = ({ metadata: { deletionTimestamp, annotations } }: KubeObject): readonly string[] =>
  deletionTimestamp === undefined
    ? FLOOR_ACTIONS.flatMap((action) => annotations?.[floorPoliciesAnnotation(action)]?.split(',') ?? [])
    : [];

const isWritable = ({ metadata }: KubeObject, stuck: ReadonlySet<string>): boolean =>
  metadata.labels?.[LABELS.component] !== undefined && !stuck.has(`${GEO_RESIDENCY_KIND.kind}/${metadata.name}`);

/**
 * Builds the writes that add the finalizer to live policies and remove it from released ones.
 *
 * @param stuck keys of writes that keep failing
 */
export const buildFinalizerWrites = (plan: ClusterPlan, stuck: ReadonlySet<string>, context: WriteContext): Write[] => {
  // Computed on demand, as in most reconciles no policy is being deleted.
  let enforced: ReadonlySet<string> | undefined;
  const isReleased = (key: string): boolean => {
    enforced ??= findEnforcedPolicies(plan, context.view, stuck);
    return !enforced.has(key);
  };
  const unsettled = context.view.livePolicies().filter(({ metadata: { deletionTimestamp, finalizers } }) => {
    const held = finalizers?.includes(FINALIZER) === true;
    return held !== (deletionTimestamp === undefined);
  });
  return unsettled
    .filter((policy) => policy.metadata.deletionTimestamp === undefined || isReleased(policyKeyOf(policy)))
    .map((policy) => buildFinalizerWrite(policy, context));
};
