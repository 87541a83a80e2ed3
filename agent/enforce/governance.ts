import { FLOOR_ACTIONS, type FloorAction, type SovereignPolicySpec } from '@fso/shared/api';
import { matchesNamespace } from '@fso/shared/compile';
import { byText } from '@fso/shared/encoding';
import { combinePolicies, DAY_MS, EXPIRY_WARNING_DAYS, isExpired } from '@fso/shared/residency';
import { sameItems, sortedSet, weakMemo, weakMemo2 } from '../compare.ts';
import { type ConstraintGroup, constraintBody, constraintName } from './gatekeeper/constraint.ts';
import type { ConstraintEntry } from './gatekeeper/kinds.ts';
import { findProblem, isRegion, pointsOf } from './policy-problems.ts';
import { type GatekeeperPlace, isGlob, protectedFrom, USUAL_PLACE } from './system-namespaces.ts';
import { findSurplus, isTenants, shardOf } from './tenants.ts';
import type {
  ActionGovernance,
  DesiredConstraint,
  GlobReach,
  Governance,
  NamespaceGovernance,
  NamespaceInput,
  PolicyInput,
  PolicyOutcome,
} from './types.ts';

/** Enforcement points of Gatekeeper that mean the API server's own admission, which is what the floor is. */
const FLOOR_POINTS: ReadonlySet<string> = new Set(['vap.k8s.io', '*']);

/** A policy that governs, ready to be matched. */
interface Ruling {
  readonly key: string;
  /** `-` for a local policy. */
  readonly revision: string;
  readonly spec: SovereignPolicySpec;
  readonly regions: readonly string[];
  readonly excluded: readonly string[];
  readonly actions: readonly FloorAction[];
  readonly group: ConstraintGroup;
  /** Name of the constraint that the group is. */
  readonly constraint: string;
}

interface GovernanceContext {
  /** Parts of it that are still true are taken over as they are, so that readers can compare by identity. */
  readonly previous?: Governance | undefined;
  /** The same object every time. */
  readonly place?: GatekeeperPlace;
}

/** What a part of a governance was made of: made of the same again, it is the same object. */
const madeOf = new WeakMap<object, readonly unknown[]>();

/**
 * What governs each namespace, and what each policy does, at one moment.
 *
 * A policy that is being deleted governs nothing and has no outcome. A namespace that is being deleted accepts no new
 * pod: it counts as gone. Policies meet in an intersection only with policies of the same action, so a dryrun policy
 * never blocks. A `custom` policy takes part in the floor with each action that it scopes to `vap.k8s.io` or `*`.
 *
 */
export const planGovernance = (
  policies: readonly PolicyInput[],
  namespaces: readonly NamespaceInput[],
  now: Date,
  { previous, place = USUAL_PLACE }: GovernanceContext = {},
): Governance => {
  const inputs = [...policies, ...namespaces.map(({ name, terminating }) => (terminating ? undefined : name))];
  if (previous !== undefined && isStillTrue(previous, inputs, now)) return previous;
  const living = policies.filter((policy) => !policy.deleting).sort((a, b) => byText(a.key, b.key));
  const outcomes = new Map<string, PolicyOutcome>();
  const rulings: Ruling[] = [];
  const isOver = ({ spec }: PolicyInput): boolean => isExpired(spec.expiryDate, now.getTime());
  const surplus = findSurplus(living.filter((policy) => !isOver(policy)));
  for (const policy of living) {
    const verdict = surplus.get(policy.key) ?? (isOver(policy) ? expired(policy) : judge(place, policy));
    if ('kind' in verdict) outcomes.set(policy.key, verdict);
    else rulings.push(verdict);
  }
  const match = matcherOf(rulings);
  const present = new Set(namespaces.filter(({ terminating }) => !terminating).map(({ name }) => name));
  const governed = govern([...present], match, previous?.namespaces);
  const missing = rulings.map(({ spec }) => spec.targetNamespace).filter((target) => !isGlob(target) && !present.has(target));
  for (const [key, outcome] of governingOutcomes(rulings, governed, previous)) outcomes.set(key, outcome);
  const governance: Governance = {
    namespaces: governed,
    policies: outcomes,
    constraints: planConstraints(rulings, previous),
    awaited: govern(missing, match, previous?.awaited),
    globs: globsOf(rulings),
    nextChangeAt: nextChange(living, now),
  };
  madeOf.set(governance, inputs);
  return governance;
};

const isStillTrue = (previous: Governance, inputs: readonly unknown[], now: Date): boolean =>
  (previous.nextChangeAt === undefined || now < previous.nextChangeAt) && sameItems(madeOf.get(previous) ?? [], inputs);

const expired = weakMemo(
  ({ spec }: PolicyInput): PolicyOutcome => ({
    kind: 'expired',
    regions: sortedSet(spec.allowedRegions.filter(isRegion)),
    expiredAt: spec.expiryDate ?? '',
  }),
);

/** What a policy means while it is not expired. */
const judge = weakMemo2((place: GatekeeperPlace, policy: PolicyInput): Ruling | PolicyOutcome => {
  const { key, revision = '-', spec } = policy;
  const problem = findProblem(spec, place);
  if (problem !== undefined) return { kind: 'invalid', message: problem };
  const regions = sortedSet(spec.allowedRegions);
  const excluded = excludedOf(spec, place);
  const group = { ...groupFor(spec, regions, excluded), ...(isTenants(policy) ? { shard: shardOf(policy.namespace) } : {}) };
  return { key, revision, spec, regions, excluded, actions: floorActions(spec), group, constraint: constraintName(group) };
});

/** Whether Gatekeeper has a part in it: not where every action is scoped to the API server's own admission. */
const isForGatekeeper = ({ spec }: Ruling): boolean =>
  spec.enforcementAction !== 'custom' || pointsOf(spec).some((point) => point !== 'vap.k8s.io');

/** An exact target has nothing to exclude but itself; leaving the rest out lets more policies share one constraint. */
const excludedOf = ({ targetNamespace, excludedNamespaces = [] }: SovereignPolicySpec, place: GatekeeperPlace): readonly string[] => {
  if (isGlob(targetNamespace)) return sortedSet([...excludedNamespaces, ...protectedFrom(targetNamespace, place)]);
  return sortedSet(excludedNamespaces.filter((pattern) => matchesNamespace(pattern, targetNamespace)));
};

const floorActions = (spec: SovereignPolicySpec): readonly FloorAction[] => {
  if (spec.enforcementAction !== 'custom') return [spec.enforcementAction];
  const scoped = spec.scopedEnforcementActions ?? [];
  return FLOOR_ACTIONS.filter((action) =>
    scoped.some((entry) => entry.action === action && entry.enforcementPoints.some((point) => FLOOR_POINTS.has(point.name))),
  );
};

type Match = (namespace: string) => readonly Ruling[];

/** Exact targets are looked up, only globs are tried on each namespace: thousands of both stay cheap. */
const matcherOf = (rulings: readonly Ruling[]): Match => {
  const globs = rulings.filter((ruling) => isGlob(ruling.spec.targetNamespace));
  const exact = Map.groupBy(rulings, (ruling) => ruling.spec.targetNamespace);
  return (name) =>
    [...(exact.get(name) ?? []), ...globs.filter((ruling) => matchesNamespace(ruling.spec.targetNamespace, name))].filter(
      (ruling) => !ruling.excluded.some((pattern) => matchesNamespace(pattern, name)),
    );
};

const govern = (
  names: readonly string[],
  match: Match,
  previous: ReadonlyMap<string, NamespaceGovernance> | undefined,
): Map<string, NamespaceGovernance> => {
  const governed = new Map<string, NamespaceGovernance>();
  for (const name of sortedSet(names)) {
    const matching = match(name);
    if (matching.length === 0) continue;
    const before = previous?.get(name);
    governed.set(name, before !== undefined && sameItems(madeOf.get(before) ?? [], matching) ? before : combine(name, matching));
  }
  return governed;
};

const globsOf = (rulings: readonly Ruling[]): readonly GlobReach[] => {
  const reaching = rulings.filter(({ spec, actions }) => isGlob(spec.targetNamespace) && actions.includes('deny'));
  return [...Map.groupBy(reaching, ({ spec, excluded }) => [spec.targetNamespace, ...excluded].join(' ')).values()].flatMap((group) => {
    const [first] = group;
    if (first === undefined) return [];
    return { pattern: first.spec.targetNamespace, excluded: first.excluded, policies: sortedSet(group.map(({ key }) => key)) };
  });
};

const combine = (namespace: string, rulings: readonly Ruling[]): NamespaceGovernance => {
  const actions: Partial<Record<FloorAction, ActionGovernance>> = {};
  for (const { action, regions, policies } of combinePolicies(rulings)) {
    actions[action] = { regions, policies: policies.map(({ key }) => key), revisions: policies.map(({ revision }) => revision) };
  }
  const injected = actions.deny ?? actions.warn;
  const injection = rulings.some(({ spec }) => spec.placementInjection === true) && (injected?.regions.length ?? 0) > 0;
  const governance: NamespaceGovernance = { namespace, actions, policies: sortedSet(rulings.map((ruling) => ruling.key)), injection };
  madeOf.set(governance, rulings);
  return governance;
};

const governingOutcomes = (
  rulings: readonly Ruling[],
  governed: ReadonlyMap<string, NamespaceGovernance>,
  previous: Governance | undefined,
): ReadonlyMap<string, PolicyOutcome> => {
  const namespaces = new Map<string, string[]>(rulings.map((ruling) => [ruling.key, []]));
  const conflicts = new Map<string, string[]>(rulings.map((ruling) => [ruling.key, []]));
  for (const governance of governed.values()) {
    for (const key of governance.policies) namespaces.get(key)?.push(governance.namespace);
    for (const key of conflicting(governance)) conflicts.get(key)?.push(governance.namespace);
  }
  return new Map(
    rulings.map((ruling) => {
      const outcome = outcomeOf(ruling, namespaces.get(ruling.key) ?? [], conflicts.get(ruling.key) ?? []);
      const before = previous?.policies.get(ruling.key);
      return [ruling.key, before !== undefined && sameOutcome(before, outcome) ? before : outcome];
    }),
  );
};

const sameOutcome = (a: PolicyOutcome, b: PolicyOutcome): boolean => {
  if (a.kind === 'governing' && b.kind === 'governing') {
    return sameItems(a.regions, b.regions) && sameItems(a.namespaces, b.namespaces) && sameItems(a.conflicts, b.conflicts);
  }
  return a.kind === 'namespaceMissing' && b.kind === 'namespaceMissing' && sameItems(a.regions, b.regions) && a.message === b.message;
};

/** Policies of one namespace that leave no region together. */
const conflicting = ({ actions }: NamespaceGovernance): readonly string[] =>
  sortedSet(Object.values(actions).flatMap(({ regions, policies }) => (regions.length === 0 ? policies : [])));

const outcomeOf = ({ regions, spec }: Ruling, namespaces: readonly string[], conflicts: readonly string[]): PolicyOutcome =>
  namespaces.length > 0
    ? { kind: 'governing', regions, namespaces, conflicts }
    : { kind: 'namespaceMissing', regions, message: missingMessage(spec) };

const missingMessage = ({ targetNamespace, excludedNamespaces = [] }: SovereignPolicySpec): string => {
  if (isGlob(targetNamespace)) return `no namespace matches ${targetNamespace}; the policy takes effect as soon as one does`;
  return excludedNamespaces.some((pattern) => matchesNamespace(pattern, targetNamespace))
    ? `spec.excludedNamespaces excludes the target namespace ${targetNamespace} itself`
    : `namespace ${targetNamespace} does not exist; the policy takes effect as soon as it does`;
};

const groupFor = (spec: SovereignPolicySpec, regions: readonly string[], excluded: readonly string[]): ConstraintGroup => ({
  regions,
  action: spec.enforcementAction === 'custom' ? 'scoped' : spec.enforcementAction,
  excludedNamespaces: excluded,
  scoped: spec.enforcementAction === 'custom' ? (spec.scopedEnforcementActions ?? []) : [],
});

/**
 * One constraint for each distinct region list, action and exclusion. It lists the policies' own patterns, so a
 * namespace that does not exist yet is covered at its creation; Gatekeeper ANDs what several constraints say of one namespace.
 */
const planConstraints = (rulings: readonly Ruling[], previous: Governance | undefined): readonly DesiredConstraint[] => {
  const groups = Map.groupBy(rulings.filter(isForGatekeeper), (ruling) => ruling.constraint);
  const before = new Map(previous?.constraints.map((constraint) => [constraint.name, constraint]));
  return [...groups]
    .sort(([a], [b]) => byText(a, b))
    .map(([name, members]) => {
      const known = before.get(name);
      return known !== undefined && sameItems(madeOf.get(known) ?? [], members) ? known : constraintOf(name, members);
    });
};

/** Never used: a group has members. */
const NO_GROUP: ConstraintGroup = { regions: [], action: 'deny', excludedNamespaces: [], scoped: [] };

const constraintOf = (name: string, members: readonly Ruling[]): DesiredConstraint => {
  const entries: ConstraintEntry[] = members.map((ruling) => ({ name: ruling.key, pattern: ruling.spec.targetNamespace }));
  const body = constraintBody(members[0]?.group ?? NO_GROUP, entries);
  const constraint: DesiredConstraint = { name, policies: sortedSet(entries.map((entry) => entry.name)), body };
  madeOf.set(constraint, members);
  return constraint;
};

const nextChange = (policies: readonly PolicyInput[], now: Date): Date | undefined => {
  const times = policies.flatMap(({ spec }) => {
    if (spec.expiryDate === undefined) return [];
    const expiry = Date.parse(spec.expiryDate);
    return [0, ...EXPIRY_WARNING_DAYS].map((days) => expiry - days * DAY_MS);
  });
  const next = times.reduce((least, time) => (time > now.getTime() && time < least ? time : least), Number.POSITIVE_INFINITY);
  return Number.isFinite(next) ? new Date(next) : undefined;
};
