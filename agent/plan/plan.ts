import { type KubeObject, SYSTEM_NAMESPACE } from '@fso/shared/api';
import { byText } from '@fso/shared/encoding';
import {
  ADMISSION_POLICY_BINDING_KIND,
  ADMISSION_POLICY_KIND,
  CONSTRAINT_TEMPLATE_KIND,
  CRD_KIND,
  FLOOR_PARAMETERS_KIND,
  GEO_RESIDENCY_KIND,
  type KindDescriptor,
} from '@fso/shared/kube';
import type { RoundPart } from '@fso/shared/protocol';
import type { ClusterView } from '../cache/index.ts';
import type { ServerDefaults } from '../enforce/index.ts';
import {
  type Action,
  type BindGate,
  type Governance,
  type HubPoliciesPlan,
  type Overflow,
  type PolicyInput,
  type PolicyOutcome,
  planInjection,
  TEMPLATE_NAME,
  unknownParameters,
} from '../enforce/index.ts';
import type { RoundParts } from '../observation/index.ts';
import { type AttributedReason, attributeReason, collectReasons } from './attribution.ts';
import { planInstallRecord, readInstallRecord } from './install-record.ts';
import { type HubCommit, NO_COMMIT, planCommit } from './plan-commit.ts';
import { constraintsByPolicy, type GovernancePlan, isIndexEnough, planGoverned, restOf, uidsOf } from './plan-governance.ts';
import {
  isInjectionServed,
  NO_ADMISSION,
  type PlanSettings,
  planFloorPart,
  planFoundation,
  planGuardPart,
  planIndexPart,
  textFor,
} from './plan-lock-one.ts';
import { type LockTwoFacts, lockTwoFacts, lockTwoGate, NO_LOCK_TWO, planLockTwo } from './plan-lock-two.ts';

/**
 * Everything to be done in one reconcile, planned from one view of the cluster before any write.
 */
export interface ClusterPlan extends LockTwoFacts, GovernancePlan {
  /** Whether placement injection is as desired. */
  readonly isInjectionInPlace: boolean;
  /** Plan of the hub's SovereignPolicies. */
  readonly hubPolicies: HubPoliciesPlan;
  /** Actions on the floor and its guard. */
  readonly floor: readonly Action[];
  /**
   * Actions on the parameters that the floor reads. They change with nodes and namespaces, while
   * the floor itself stays in place.
   */
  readonly parameters: readonly Action[];
  /** Whether lock 1 is in place. */
  readonly floorWhole: boolean;
  /** Whether the guards of lock 1 are in place. */
  readonly guardWhole: boolean;
  /** Numbers of entries that did not fit into the parameters. */
  readonly overflow: Overflow;
  /** Keys of policies that the index of lock 1 does not cover yet. */
  readonly unlisted: ReadonlySet<string>;
  /** Actions on CRDs and on the namespace of the index's canary. */
  readonly foundation: readonly Action[];
  readonly injection: readonly Action[];
  readonly gatekeeper: readonly Action[];
  /** Existing objects of the floor and of lock 2, by the key of their actions. */
  readonly present: ReadonlySet<string>;
  /** Reasons of the actions, by key. */
  readonly reasons: ReadonlyMap<string, AttributedReason>;
  /** UIDs of the governed namespaces, by name. */
  readonly uids: ReadonlyMap<string, string>;
  readonly injectable: boolean;
  /** Rules of lock 2 for bindings: the same object while unchanged. */
  readonly gate: BindGate | undefined;
  /**
   * Hash of the objects of the floor, its guard and the template. Depends on `injectable` and on
   * constants.
   */
  readonly text: string;
  /** Names of the constraints that enforce each policy. */
  readonly constraintsByPolicy: ReadonlyMap<string, readonly string[]>;
  /**
   * Whether the index of lock 1 alone enforces all that governs a namespace whose labels are not
   * written yet.
   */
  isIndexed(namespace: string): boolean;
}

/** Inputs that a reconcile takes from the previous one. */
export interface RoundContext {
  /**
   * Previous plan: an object that was in place then and is gone now was removed by another writer.
   */
  readonly previous: ClusterPlan | undefined;
  /** Runs each part. A part that fails plans no write. */
  readonly parts: Pick<RoundParts, 'run'>;
  /** Commit of the hub, if any. */
  readonly commit?: HubCommit | undefined;
}

/**
 * Plans a reconcile. Pure, apart from reading the view.
 *
 * The parts are independent. If the policies cannot be planned, the governance of the previous plan
 * is used; without a previous plan nothing that depends on it is written.
 */
export const planCluster = (
  view: ClusterView,
  settings: PlanSettings,
  now: Date,
  { previous, parts, commit }: RoundContext,
): ClusterPlan => {
  const hubPolicies = parts.run('governance', () => planCommit(view, commit), NO_COMMIT);
  const foundation = parts.run('foundation', () => planFoundation(view, settings), []);
  const guard = parts.run('guard', () => planGuardPart(view, settings), NO_ADMISSION);
  const floor = parts.run('floor', () => planFloorPart(view, settings), NO_ADMISSION);
  const governed = parts.run('governance', () => planGoverned(view, settings, now, previous), restOf(previous));
  const { governance, policies, namespaces, isGoverned } = governed;
  const planned = <T>(part: RoundPart, plan: () => T, otherwise: T): T => parts.run(part, isGoverned ? plan : failUngoverned, otherwise);
  const index = planned('index', () => planIndexPart(view, governance, settings), undefined) ?? unknownParameters(governance);
  const injecting = planned('injection', () => planInjectionPart(view, settings, governed), undefined);
  const injection = injecting ?? [];
  const lockTwo = planned('gatekeeper', () => planLockTwo(view, settings, governance), undefined);
  const gatekeeper = lockTwo ?? [];
  const injectable = isInjectionServed(view);
  const present = presentIn(view);
  const uids = uidsOf(view, governance, previous?.uids);
  const text = previous?.injectable === injectable ? previous.text : textFor(settings, injectable);
  const installed = readInstallRecord(view.namespaces.get(SYSTEM_NAMESPACE));
  const gate = parts.run('gatekeeper', () => lockTwoGate(view, settings), previous?.gate);
  const context = { view, governance, present, uids, installed, gate, text, previous };
  /**
   * Keeps the actions as they are if attribution fails, as the write matters more than its reason.
   */
  const attributed = (part: RoundPart, actions: readonly Action[]): readonly Action[] =>
    parts.run(part, () => actions.map((action) => attributeReason(action, context)), actions);
  const actions: Actions = {
    floor: [...attributed('floor', floor.actions), ...attributed('guard', guard.actions)],
    // Not written while an older schema is in place, which would drop new fields.
    parameters: attributed('index', previous === undefined && foundation.length > 0 ? [] : index.actions),
    foundation: attributed('foundation', foundation),
    injection: attributed('injection', injection),
    namespaces: attributed('governance', namespaces),
    gatekeeper: attributed('gatekeeper', gatekeeper),
  };
  const isWhole = floor.isWhole && guard.isWhole && isTemplateWritten(view, gatekeeper);
  const record = isWhole ? parts.run('foundation', () => planRecord(view, present, text), []) : [];
  return {
    ...actions,
    ...parts.run(
      'gatekeeper',
      () => (lockTwo === undefined ? NO_LOCK_TWO : lockTwoFacts(view, settings, governance, lockTwo)),
      NO_LOCK_TWO,
    ),
    isGoverned,
    isInjectionInPlace: injecting?.length === 0,
    policies,
    governance,
    hubPolicies,
    floorWhole: floor.isWhole,
    guardWhole: guard.isWhole,
    overflow: index.overflow,
    unlisted: index.unlisted,
    isIndexed: indexedBy(index, governance, view),
    namespaces: [...actions.namespaces, ...record],
    reasons: collectReasons(Object.values(actions).flat(), view),
    unapplied: governed.unapplied,
    settled: governed.settled,
    present,
    uids,
    injectable,
    gate,
    text,
    constraintsByPolicy: constraintsByPolicy(governance),
  };
};

/**
 * Kept out of `planCluster`: a closure there would retain its whole scope, including the previous
 * plan, and with it every earlier plan.
 */
const indexedBy =
  (index: ReturnType<typeof unknownParameters>, governance: Governance, view: ClusterView): ClusterPlan['isIndexed'] =>
  (namespace) =>
    index.covers(namespace) && isIndexEnough(namespace, governance, view);

type Actions = Pick<ClusterPlan, 'floor' | 'parameters' | 'foundation' | 'injection' | 'namespaces' | 'gatekeeper'>;

const failUngoverned = (): never => {
  throw new Error('which policies govern is not known yet');
};

/** Whether the template is written. Without Gatekeeper it counts as written. */
const isTemplateWritten = ({ templates }: ClusterView, actions: readonly Action[]): boolean =>
  (templates.synced || !templates.served) && !actions.some(({ kind }) => kind === CONSTRAINT_TEMPLATE_KIND);

const planRecord = (view: ClusterView, present: ReadonlySet<string>, text: string): readonly Action[] =>
  planInstallRecord(view.namespaces.get(SYSTEM_NAMESPACE), { keys: recordedKeys(present), text });

const planInjectionPart = (view: ClusterView, settings: PlanSettings, { policies, governance }: GovernancePlan): readonly Action[] => {
  if (!isInjectionServed(view)) return [];
  view.assertRead(view.injectionKinds.policy, view.injectionKinds.binding);
  return planInjectionOf(view, settings.defaults, isInjectionAskedFor(policies, governance));
};

const planInjectionOf = (view: ClusterView, defaults: ServerDefaults, isAskedFor: boolean): readonly Action[] => {
  const { injectionKinds: kinds, mutatingPolicies, mutatingBindings } = view;
  const policies = defaults.clear(kinds.policy.kind, mutatingPolicies.list());
  const bindings = defaults.clear(kinds.binding.kind, mutatingBindings.list());
  return planInjection(kinds, { policies, bindings }, isAskedFor);
};

const isInjectionAskedFor = (policies: readonly PolicyInput[], governance: Governance): boolean =>
  policies.some(({ key, spec }) => spec.placementInjection === true && IN_FORCE.has(governance.policies.get(key)?.kind ?? ''));

/** Outcomes of policies in force, whether or not their namespace exists already. */
const IN_FORCE: ReadonlySet<string> = new Set<PolicyOutcome['kind'] | ''>(['governing', 'namespaceMissing']);

/**
 * Keys for the record of the installation. Constraints and placement injection are left out, as
 * they come and go with the policies.
 */
const recordedKeys = (present: ReadonlySet<string>): readonly string[] =>
  [...present].filter((key) => !key.startsWith('K8sGeoResidency/') && !key.startsWith('Mutating')).sort(byText);

const presentIn = (view: ClusterView): ReadonlySet<string> =>
  new Set([
    ...keysOf(view.injectionKinds.policy, view.mutatingPolicies.list()),
    ...keysOf(view.injectionKinds.binding, view.mutatingBindings.list()),
    ...keysOf(
      CRD_KIND,
      view.definitions.flatMap((informer) => informer.list()),
    ),
    ...keysOf(ADMISSION_POLICY_KIND, view.admissionPolicies.list()),
    ...keysOf(ADMISSION_POLICY_BINDING_KIND, view.admissionBindings.list()),
    ...keysOf(FLOOR_PARAMETERS_KIND, view.parameters.list()),
    ...keysOf(
      CONSTRAINT_TEMPLATE_KIND,
      view.templates.list().filter(({ metadata }) => metadata.name === TEMPLATE_NAME),
    ),
    ...keysOf(GEO_RESIDENCY_KIND, view.constraints.list()),
  ]);

const keysOf = ({ kind }: KindDescriptor, objects: readonly KubeObject[]): readonly string[] =>
  objects.map(({ metadata }) => `${kind}/${metadata.name}`);
