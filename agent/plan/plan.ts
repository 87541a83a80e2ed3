import { FLOOR_LABEL_VALUE, floorLabel, type KubeObject, SYSTEM_NAMESPACE } from '@fso/shared/api';
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
import { weakMemo } from '@fso/shared/runtime';
import type { ClusterView } from '../cache/index.ts';
import type { ServerDefaults } from '../enforce/index.ts';
import {
  type Action,
  type Constraint,
  findConstraintProblem,
  findTemplateProblem,
  type GatekeeperProblem,
  type Governance,
  groupNameOf,
  hasBindGate,
  isConstraintEnforced,
  isTemplateReady,
  type Overflow,
  type PolicyInput,
  type PolicyOutcome,
  planGatekeeper,
  planGovernance,
  planInjection,
  planNamespaces,
  TEMPLATE_NAME,
} from '../enforce/index.ts';
import { type AttributedReason, attributeReason, collectReasons } from './attribution.ts';
import { planInstallRecord, readInstallRecord } from './install-record.ts';
import { type ClusterSettings, isInjectionServed, type PlanSettings, planFoundation, planLockOne, textFor } from './plan-lock-one.ts';

/** All that has to be done, planned from one look at the cluster, before anything is done. */
export interface ClusterPlan {
  readonly policies: readonly PolicyInput[];
  readonly governance: Governance;
  /** Of the floor and of its guard. */
  readonly floor: readonly Action[];
  /** What the floor reads: nodes and namespaces come and go while it stays whole. */
  readonly parameters: readonly Action[];
  /** Whether lock 1 is in place. */
  readonly floorWhole: boolean;
  /** Whether the policies that guard it are. */
  readonly guardWhole: boolean;
  /** What did not fit into the parameters. */
  readonly overflow: Overflow;
  /** Keys of policies that the index of lock 1 has yet to cover. */
  readonly unlisted: ReadonlySet<string>;
  /** CRDs, and the namespace of the index's canary. */
  readonly foundation: readonly Action[];
  readonly injection: readonly Action[];
  readonly namespaces: readonly Action[];
  readonly gatekeeper: readonly Action[];
  /** Namespaces whose labels are not yet what they should be. */
  readonly unapplied: ReadonlySet<string>;
  /** Objects of the floor and of lock 2 that are there, by the key of their actions. */
  readonly present: ReadonlySet<string>;
  /** Reasons of the actions, by key. */
  readonly reasons: ReadonlyMap<string, AttributedReason>;
  /** Of the governed namespaces, by name. */
  readonly uids: ReadonlyMap<string, string>;
  /** Constraints that carry the bind gate, by name: it comes once their CRD knows of it. */
  readonly gated: ReadonlySet<string>;
  readonly injectable: boolean;
  /** Hash of the texts of the floor, its guard and the template, which hang on `injectable` and on what never changes. */
  readonly text: string;
  /** Constraints by the policy that they enforce. */
  readonly constraintsByPolicy: ReadonlyMap<string, readonly string[]>;
  readonly templateReady: boolean;
  /** Wanted constraints that read as they should and are in force. */
  readonly enforcedConstraints: readonly Constraint[];
  /** What keeps the template from being in force; undefined: nothing. */
  readonly templateProblem: GatekeeperProblem | undefined;
  /** What keeps a constraint from being in force; undefined: nothing. */
  constraintProblem(name: string): GatekeeperProblem | undefined;
  /** Whether lock 1 enforces all that governs a namespace by its index alone: its labels are not written yet. */
  isIndexed(namespace: string): boolean;
  constraintExists(name: string): boolean;
  constraintEnforced(name: string): boolean;
}

/**
 * Plans a round. Pure, apart from reading the view.
 *
 * @param previous the plan of the round before: an object that was in place then and is gone now was removed by someone else
 */
export const planCluster = (view: ClusterView, settings: PlanSettings, now: Date, previous: ClusterPlan | undefined): ClusterPlan => {
  const policies = view.policyInputs();
  const namespaces = view.namespaceInputs();
  const context = { previous: previous?.governance, place: settings.trust, constraints: view.constraints.list() };
  const governance = planGovernance(policies, namespaces, now, context);
  const injectable = isInjectionServed(view);
  const lockOne = planLockOne(view, settings, governance);
  const foundation = planFoundation(view, settings);
  const wanted: Actions = {
    floor: lockOne.floor,
    // A schema of an older version would drop what is new in this one's parameters.
    parameters: previous === undefined && foundation.length > 0 ? [] : lockOne.parameters.actions,
    foundation,
    injection: injectable ? planInjectionOf(view, settings.defaults, isInjectionWanted(policies, governance)) : [],
    namespaces: planNamespaces(governance, namespaces, now),
    gatekeeper: planLockTwo(view, settings, governance),
  };
  const present = presentIn(view);
  const uids = uidsOf(view, governance, previous?.uids);
  const text = previous?.injectable === injectable ? previous.text : textFor(settings, injectable);
  const installed = readInstallRecord(view.namespaces.get(SYSTEM_NAMESPACE));
  const actions = attributeReasons(wanted, { view, governance, present, uids, installed, text, previous });
  const isWhole = lockOne.floorWhole && lockOne.guardWhole && !wanted.gatekeeper.some(({ kind }) => kind === CONSTRAINT_TEMPLATE_KIND);
  const record = planInstallRecord(view.namespaces.get(SYSTEM_NAMESPACE), { keys: recordedKeys(present), text });
  return {
    ...actions,
    ...lockTwoFacts(view, governance, wanted.gatekeeper),
    policies,
    governance,
    floorWhole: lockOne.floorWhole,
    guardWhole: lockOne.guardWhole,
    overflow: lockOne.parameters.overflow,
    unlisted: lockOne.parameters.unlisted,
    isIndexed: (namespace) => lockOne.parameters.covers(namespace) && isIndexEnough(namespace, governance, view),
    namespaces: [...actions.namespaces, ...(isWhole ? record : [])],
    reasons: collectReasons(Object.values(actions).flat(), view),
    unapplied: new Set(wanted.namespaces.map(({ key }) => key.slice('Namespace/'.length))),
    present,
    uids,
    injectable,
    text,
    constraintsByPolicy: constraintsByPolicy(governance),
  };
};

type Actions = Pick<ClusterPlan, 'floor' | 'parameters' | 'foundation' | 'injection' | 'namespaces' | 'gatekeeper'>;

const attributeReasons = (wanted: Actions, context: Parameters<typeof attributeReason>[1]): Actions => {
  const marked = (actions: readonly Action[]): readonly Action[] => actions.map((action) => attributeReason(action, context));
  return {
    floor: marked(wanted.floor),
    parameters: marked(wanted.parameters),
    foundation: marked(wanted.foundation),
    injection: marked(wanted.injection),
    namespaces: marked(wanted.namespaces),
    gatekeeper: marked(wanted.gatekeeper),
  };
};

const planInjectionOf = (view: ClusterView, defaults: ServerDefaults, isWanted: boolean): readonly Action[] => {
  const { injectionKinds: kinds, mutatingPolicies, mutatingBindings } = view;
  const policies = defaults.clear(kinds.policy.kind, mutatingPolicies.list());
  const bindings = defaults.clear(kinds.binding.kind, mutatingBindings.list());
  return planInjection(kinds, { policies, bindings }, isWanted);
};

const planLockTwo = (view: ClusterView, settings: ClusterSettings, governance: Governance): readonly Action[] =>
  planGatekeeper({
    governance,
    template: view.templates.get(TEMPLATE_NAME),
    constraints: view.constraints.served && view.constraints.synced ? view.constraints.list() : undefined,
    gatekeeperServed: view.templates.served,
    binders: lockTwoBinders(settings),
  });

type LockTwoFacts = Pick<
  ClusterPlan,
  'gated' | 'templateReady' | 'templateProblem' | 'enforcedConstraints' | 'constraintProblem' | 'constraintExists' | 'constraintEnforced'
>;

/** @param actions the planned writes of lock 2 */
const lockTwoFacts = (view: ClusterView, governance: Governance, actions: readonly Action[]): LockTwoFacts => {
  const template = view.templates.get(TEMPLATE_NAME);
  const constraints = view.constraints.list();
  const byName = new Map(constraints.map((constraint) => [constraint.metadata.name, constraint]));
  const groups = new Map(governance.constraints.map(({ name, group }) => [name, group]));
  const enforced = enforcedIn(constraints, actions, groups);
  return {
    gated: new Set(constraints.filter(hasBindGate).map(({ metadata }) => metadata.name)),
    templateReady: template !== undefined && isTemplateReady(template),
    templateProblem: findTemplateProblem(template, view.constraints.served),
    enforcedConstraints: governance.constraints.flatMap(({ name }) => (enforced.has(name) ? (byName.get(name) ?? []) : [])),
    constraintProblem: (name) => (enforced.has(name) ? undefined : findConstraintProblem(name, byName.get(name))),
    constraintExists: (name) => isOfGroup(byName.get(name), groups.get(name)),
    constraintEnforced: (name) => enforced.has(name),
  };
};

/** Whether it is there, and not still that of the group that it was before. */
const isOfGroup = (constraint: Constraint | undefined, group: string | undefined): boolean =>
  constraint !== undefined && (group === undefined || groupNameOf(constraint) === group);

/** On older API servers a Binding says nothing of the region: there lock 2 leaves it to lock 1. */
const lockTwoBinders = ({ capabilities, trust }: ClusterSettings): readonly string[] | undefined =>
  capabilities.bindGate === 'label' ? trust.binders : undefined;

/** The index knows of deny only, and a label that is there makes the namespace's own word count too, whatever that is. */
const isIndexEnough = (namespace: string, { namespaces }: Governance, view: ClusterView): boolean => {
  const governed = namespaces.get(namespace);
  const labels = view.namespaces.get(namespace)?.metadata.labels;
  if (governed === undefined || governed.injection === true || labels?.[floorLabel('deny')] === FLOOR_LABEL_VALUE) return false;
  return Object.keys(governed.actions).every((action) => action === 'deny') && governed.actions.deny !== undefined;
};

const isInjectionWanted = (policies: readonly PolicyInput[], governance: Governance): boolean =>
  policies.some(({ key, spec }) => spec.placementInjection === true && IN_FORCE.has(governance.policies.get(key)?.kind ?? ''));

/** Outcomes of policies that stand, whether or not their namespace is there already. */
const IN_FORCE: ReadonlySet<string> = new Set<PolicyOutcome['kind'] | ''>(['governing', 'namespaceMissing']);

/** @param before those of the round before, which are returned where they are the same */
const uidsOf = (
  view: ClusterView,
  { namespaces }: Governance,
  before: ReadonlyMap<string, string> | undefined,
): ReadonlyMap<string, string> => {
  const uidOf = (name: string): string => view.namespaces.get(name)?.metadata.uid ?? '';
  if (before !== undefined && before.size === namespaces.size && haveUids(namespaces.keys(), before, uidOf)) return before;
  return new Map([...namespaces.keys()].map((name) => [name, uidOf(name)]));
};

const haveUids = (names: Iterable<string>, uids: ReadonlyMap<string, string>, uidOf: (name: string) => string): boolean => {
  for (const name of names) if (uids.get(name) !== uidOf(name)) return false;
  return true;
};

/** Constraints and placement injection come and go with the policies. */
const recordedKeys = (present: ReadonlySet<string>): readonly string[] =>
  [...present].filter((key) => !key.startsWith('K8sGeoResidency/') && !key.startsWith('Mutating')).sort(byText);

/**
 * A constraint about to be written is enforced in its old form only, and so is one that is still of the group that it was before: it waits for
 * policies that leave it.
 *
 * @param groups of the wanted constraints, by name
 */
export const enforcedIn = (
  constraints: readonly Constraint[],
  actions: readonly Action[],
  groups: ReadonlyMap<string, string>,
): ReadonlySet<string> => {
  const pending = new Set(actions.map(({ key }) => key));
  const enforced = constraints.filter(
    (constraint) =>
      isConstraintEnforced(constraint) &&
      isOfGroup(constraint, groups.get(constraint.metadata.name)) &&
      !pending.has(`${GEO_RESIDENCY_KIND.kind}/${constraint.metadata.name}`),
  );
  return new Set(enforced.map(({ metadata }) => metadata.name));
};

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

const constraintsByPolicy = weakMemo(({ constraints }: Governance): ReadonlyMap<string, readonly string[]> => {
  const result = new Map<string, string[]>();
  for (const { name, policies } of constraints) {
    for (const policy of policies) {
      const names = result.get(policy);
      if (names === undefined) result.set(policy, [name]);
      else names.push(name);
    }
  }
  return result;
});
