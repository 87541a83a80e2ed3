import { FLOOR_LABEL_VALUE, floorLabel } from '@fso/shared/api';
import { NAMESPACE_KIND, SOVEREIGN_POLICY_KIND } from '@fso/shared/kube';
import { weakMemo } from '@fso/shared/runtime';
import type { ClusterView } from '../cache/index.ts';
import { type Action, type Governance, type NamespaceInput, type PolicyInput, planGovernance, planNamespaces } from '../enforce/index.ts';
import type { PlanSettings } from './plan-lock-one.ts';

/** Plan of which policies govern which namespaces, with the labels to write for it. */
export interface GovernancePlan {
  /**
   * Whether the policies were ever planned. If not, `policies` and `governance` are meaningless.
   */
  readonly isGoverned: boolean;
  readonly policies: readonly PolicyInput[];
  readonly governance: Governance;
  readonly namespaces: readonly Action[];
  /** Namespaces whose labels differ from the desired ones. */
  readonly unapplied: ReadonlySet<string>;
  /** Namespaces whose labels are as desired. */
  readonly settled: ReadonlySet<NamespaceInput>;
}

/** Governance before the policies are planned for the first time. It never causes removals. */
const NO_GOVERNANCE: Governance = {
  namespaces: new Map(),
  policies: new Map(),
  constraints: [],
  awaited: new Map(),
  globs: [],
  nextChangeAt: undefined,
  from: { all: [], namespaces: new Map() },
};

/**
 * Plans which policies govern which namespaces, and the labels of these namespaces.
 *
 * @throws UnreadKindError if policies or namespaces are not listed, as everything would be released
 */
export const planGoverned = (
  view: ClusterView,
  settings: PlanSettings,
  now: Date,
  previous: GovernancePlan | undefined,
): GovernancePlan => {
  view.assertRead(SOVEREIGN_POLICY_KIND, NAMESPACE_KIND);
  const policies = view.policyInputs();
  const namespaces = view.namespaceInputs();
  const before = previous?.isGoverned === true ? previous.governance : undefined;
  const { providers } = view.places;
  const context = { previous: before, place: settings.trust, providers, constraints: view.constraints.list() };
  const governance = planGovernance(policies, namespaces, now, context);
  const known = before && previous && { namespaces: previous.settled, governance: before.namespaces };
  const actions = planNamespaces(governance, namespaces, now, known);
  const unapplied = new Set(actions.map(({ key }) => key.slice('Namespace/'.length)));
  const settled = new Set(namespaces.filter(({ name }) => !unapplied.has(name)));
  return { isGoverned: true, policies, governance, namespaces: actions, unapplied, settled };
};

/** Returns the part of the previous plan that stays valid while the policies cannot be planned. */
export const restOf = (previous: GovernancePlan | undefined): GovernancePlan =>
  previous === undefined
    ? { isGoverned: false, policies: [], governance: NO_GOVERNANCE, namespaces: [], unapplied: new Set(), settled: new Set() }
    : { ...previous, namespaces: [] };

/**
 * Whether the index can replace the labels of a namespace. It covers only action deny, and labels
 * would also put the namespace's other rules in force.
 */
export const isIndexEnough = (namespace: string, { namespaces }: Governance, view: ClusterView): boolean => {
  const governed = namespaces.get(namespace);
  const labels = view.namespaces.get(namespace)?.metadata.labels;
  if (governed === undefined || governed.injection === true || labels?.[floorLabel('deny')] === FLOOR_LABEL_VALUE) return false;
  return Object.keys(governed.actions).every((action) => action === 'deny') && governed.actions.deny !== undefined;
};

/**
 * Collects the UIDs of the governed namespaces, by name.
 *
 * @param before UIDs of the previous reconcile, returned if nothing changed
 */
export const uidsOf = (
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

/** Names of the constraints of each policy, by its key. */
export const constraintsByPolicy = weakMemo(({ constraints }: Governance): ReadonlyMap<string, readonly string[]> => {
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
