import type { FloorAction, SovereignPolicySpec } from '@fso/shared/api';
import { type GatekeeperPlace, isGlob, matchesNamespace, protectedFrom, USUAL_PLACE } from '@fso/shared/compile';
import { byText } from '@fso/shared/encoding';
import { combinePolicies, DAY_MS, EXPIRY_WARNING_DAYS, isExpired } from '@fso/shared/residency';
import { messageOf, sameItems, weakMemo, weakMemo2 } from '@fso/shared/runtime';
import { explainMissing, floorActionsOf, isForGatekeeper } from '@fso/shared/status';
import { sortedSet } from '../compare.ts';
import {
  type ConstraintGroup,
  constraintBody,
  constraintName,
  entryText,
  groupIdentity,
  groupIdentityOf,
  isOwnName,
} from './gatekeeper/constraint.ts';
import { type ConstraintIdentity, nameConstraints, namedConstraintOf } from './gatekeeper/constraint-names.ts';
import type { Constraint, ConstraintEntry } from './gatekeeper/kinds.ts';
import { findProblem, isRegion } from './policy-problems.ts';
import { findSurplus, isTenants, shardOf } from './tenants.ts';
import type {
  ActionGovernance,
  DesiredConstraint,
  FormerConstraint,
  GlobReach,
  Governance,
  NamespaceGovernance,
  NamespaceInput,
  PolicyInput,
  PolicyOutcome,
} from './types.ts';

/** A policy that governs, prepared for matching. */
interface Rule {
  readonly key: string;
  /** `-` for a local policy. */
  readonly revision: string;
  readonly spec: SovereignPolicySpec;
  readonly regions: readonly string[];
  readonly excluded: readonly string[];
  readonly actions: readonly FloorAction[];
  readonly group: ConstraintGroup;
  /** See {@link groupIdentity}. */
  readonly groupIdentity: string;
}

interface GovernanceContext {
  /** Its unchanged parts are reused, so that readers can compare by identity. */
  readonly previous?: Governance | undefined;
  /** Pass the same object every time. */
  readonly place?: GatekeeperPlace;
  /** Those in the cluster, whose names are used again. */
  readonly constraints?: readonly Constraint[];
}

/** The inputs of each part of a governance: the same inputs give the same object again. */
const inputsOf = new WeakMap<object, readonly unknown[]>();

/**
 * Plans which policies govern each namespace, and the outcome of each policy, at one moment.
 *
 * A policy that is being deleted governs nothing and has no outcome. A namespace that is being deleted accepts no new
 * pod: it counts as gone. Policies meet in an intersection only with policies of the same action, so a dryrun policy
 * never blocks. A `custom` policy takes part in the floor with each action that it scopes to `vap.k8s.io` or `*`.
 */
export const planGovernance = (
  policies: readonly PolicyInput[],
  namespaces: readonly NamespaceInput[],
  now: Date,
  { previous, place = USUAL_PLACE, constraints = [] }: GovernanceContext = {},
): Governance => {
  const inputs = [...policies, ...namespaces.map(({ name, terminating }) => (terminating ? undefined : name))];
  if (previous !== undefined && isStillTrue(previous, inputs, now) && !hasShownMove(previous, constraints, now)) return previous;
  const living = policies.filter((policy) => !policy.deleting).sort((a, b) => byText(a.key, b.key));
  const { rules, outcomes } = rulesOf(living, place, now);
  const match = matcherOf(rules);
  const present = new Set(namespaces.filter(({ terminating }) => !terminating).map(({ name }) => name));
  const governed = govern([...present], match, previous?.namespaces);
  const missing = rules.map(({ spec }) => spec.targetNamespace).filter((target) => !isGlob(target) && !present.has(target));
  const governance: Governance = {
    namespaces: governed,
    // One that cannot be read keeps its rules, and its own outcome.
    policies: new Map([...governingOutcomes(rules, governed, previous), ...outcomes]),
    constraints: planConstraints(rules, { present: constraints, previous, now }),
    awaited: govern(missing, match, previous?.awaited),
    globs: globsOf(rules),
    nextChangeAt: nextChange(living, now),
  };
  inputsOf.set(governance, inputs);
  return governance;
};

/** The rules of all policies that govern, and the outcomes of those that cannot be enforced as they read. */
const rulesOf = (policies: readonly PolicyInput[], place: GatekeeperPlace, now: Date) => {
  const outcomes = new Map<string, PolicyOutcome>();
  const rules: Rule[] = [];
  const isOver = ({ spec }: PolicyInput): boolean => isExpired(spec.expiryDate, now.getTime());
  const surplus = findSurplus(policies.filter((policy) => !isOver(policy)));
  const judgeOne = (policy: PolicyInput): Rule | PolicyOutcome =>
    surplus.get(policy.key) ?? (isOver(policy) ? expired(policy) : judgeSafely(place, policy));
  for (const policy of policies) {
    const verdict = policy.problem === undefined ? judgeOne(policy) : unreadableOutcome(policy);
    if ('kind' in verdict) outcomes.set(policy.key, verdict);
    else rules.push(verdict);
    if (policy.problem !== undefined) rules.push(...lastRules(place, policy));
  }
  return { rules, outcomes };
};

const isStillTrue = (previous: Governance, inputs: readonly unknown[], now: Date): boolean =>
  (previous.nextChangeAt === undefined || now < previous.nextChangeAt) && sameItems(inputsOf.get(previous) ?? [], inputs);

/** A move that the cluster shows is over: the same content again would be another writer's. */
const hasShownMove = ({ constraints }: Governance, present: readonly Constraint[], now: Date): boolean => {
  const moving = constraints.filter(({ former }) => former !== undefined);
  if (moving.length === 0) return false;
  const byName = new Map(present.map((constraint) => [constraint.metadata.name, constraint]));
  return moving.some((constraint) => isMoved(constraint, byName.get(constraint.name), now));
};

/** Longer than a write takes: what the cluster shows then is no older than a move. */
const OVERTAKEN_MS = 60_000;

/** Also where the cluster had it as it is wanted all the time, because it moved there and back before anything was written. */
const isMoved = ({ group, former }: DesiredConstraint, observed: Constraint | undefined, now: Date): boolean => {
  if (observed === undefined || former === undefined || groupIdentityOf(observed) !== group) return false;
  const { uid, generation } = versionOf(observed);
  return uid !== former.uid || generation > former.generation || now.getTime() - former.since.getTime() > OVERTAKEN_MS;
};

const versionOf = (constraint: Constraint | undefined): Pick<FormerConstraint, 'uid' | 'generation'> => ({
  uid: constraint?.metadata.uid,
  generation: constraint?.metadata.generation ?? 0,
});

const expired = weakMemo(
  ({ spec }: PolicyInput): PolicyOutcome => ({
    kind: 'expired',
    regions: sortedSet(spec.allowedRegions.filter(isRegion)),
    expiredAt: spec.expiryDate ?? '',
  }),
);

/** The rule of a policy that has not expired, or the outcome of one that cannot be enforced. */
const judge = weakMemo2((place: GatekeeperPlace, policy: PolicyInput): Rule | PolicyOutcome => {
  const { key, revision = '-', spec } = policy;
  const problem = findProblem(spec, place);
  if (problem !== undefined) return { kind: 'invalid', message: problem };
  const regions = sortedSet(spec.allowedRegions);
  const excluded = excludedOf(spec, place);
  const group = { ...groupFor(spec, regions, excluded), ...(isTenants(policy) ? { shard: shardOf(policy.namespace) } : {}) };
  return { key, revision, spec, regions, excluded, actions: floorActionsOf(spec), group, groupIdentity: groupIdentity(group) };
});

/** One policy that cannot be judged must not keep all others from being enforced. */
const judgeSafely = (place: GatekeeperPlace, policy: PolicyInput): Rule | PolicyOutcome => {
  try {
    return judge(place, policy);
  } catch (error) {
    return { kind: 'invalid', message: `spec: ${messageOf(error)}` };
  }
};

const unreadableOutcome = weakMemo(
  ({ problem = '', lastEnforced = [] }: PolicyInput): PolicyOutcome => ({
    kind: 'invalid',
    message: `${problem}; ${lastEnforced.length === 0 ? 'nothing is enforced for it' : 'what it last enforced stays in force'}`,
  }),
);

/** What a policy that cannot be read last enforced stays in force. */
const lastRules = weakMemo2((place: GatekeeperPlace, policy: PolicyInput): readonly Rule[] =>
  (policy.lastEnforced ?? [])
    .map((spec) => judgeSafely(place, { ...policy, spec, problem: undefined }))
    .filter((verdict): verdict is Rule => !('kind' in verdict)),
);

/** An exact target can exclude only itself; without the other exclusions more policies share one constraint. */
const excludedOf = ({ targetNamespace, excludedNamespaces = [] }: SovereignPolicySpec, place: GatekeeperPlace): readonly string[] => {
  if (isGlob(targetNamespace)) return sortedSet([...excludedNamespaces, ...protectedFrom(targetNamespace, place)]);
  return sortedSet(excludedNamespaces.filter((pattern) => matchesNamespace(pattern, targetNamespace)));
};

type Match = (namespace: string) => readonly Rule[];

/** Looks up exact targets and tries only globs on each namespace: thousands of both stay cheap. */
const matcherOf = (rules: readonly Rule[]): Match => {
  const globs = rules.filter((rule) => isGlob(rule.spec.targetNamespace));
  const exact = Map.groupBy(rules, (rule) => rule.spec.targetNamespace);
  return (name) =>
    [...(exact.get(name) ?? []), ...globs.filter((rule) => matchesNamespace(rule.spec.targetNamespace, name))].filter(
      (rule) => !rule.excluded.some((pattern) => matchesNamespace(pattern, name)),
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
    governed.set(name, before !== undefined && sameItems(inputsOf.get(before) ?? [], matching) ? before : combine(name, matching));
  }
  return governed;
};

const globsOf = (rules: readonly Rule[]): readonly GlobReach[] => {
  const reaching = rules.filter(({ spec, actions }) => isGlob(spec.targetNamespace) && actions.includes('deny'));
  return [...Map.groupBy(reaching, ({ spec, excluded }) => [spec.targetNamespace, ...excluded].join(' ')).values()].flatMap((group) => {
    const [first] = group;
    if (first === undefined) return [];
    return { pattern: first.spec.targetNamespace, excluded: first.excluded, policies: sortedSet(group.map(({ key }) => key)) };
  });
};

const combine = (namespace: string, rules: readonly Rule[]): NamespaceGovernance => {
  const actions: Partial<Record<FloorAction, ActionGovernance>> = {};
  for (const { action, regions, policies } of combinePolicies(rules)) {
    actions[action] = { regions, policies: policies.map(({ key }) => key), revisions: policies.map(({ revision }) => revision) };
  }
  const injected = actions.deny ?? actions.warn;
  const injection = rules.some(({ spec }) => spec.placementInjection === true) && (injected?.regions.length ?? 0) > 0;
  const governance: NamespaceGovernance = { namespace, actions, policies: sortedSet(rules.map((rule) => rule.key)), injection };
  inputsOf.set(governance, rules);
  return governance;
};

const governingOutcomes = (
  rules: readonly Rule[],
  governed: ReadonlyMap<string, NamespaceGovernance>,
  previous: Governance | undefined,
): ReadonlyMap<string, PolicyOutcome> => {
  const namespaces = new Map<string, string[]>(rules.map((rule) => [rule.key, []]));
  const conflicts = new Map<string, string[]>(rules.map((rule) => [rule.key, []]));
  for (const governance of governed.values()) {
    for (const key of governance.policies) namespaces.get(key)?.push(governance.namespace);
    for (const key of conflicting(governance)) conflicts.get(key)?.push(governance.namespace);
  }
  return new Map(
    rules.map((rule) => {
      const outcome = outcomeOf(rule, namespaces.get(rule.key) ?? [], conflicts.get(rule.key) ?? []);
      const before = previous?.policies.get(rule.key);
      return [rule.key, before !== undefined && sameOutcome(before, outcome) ? before : outcome];
    }),
  );
};

const sameOutcome = (a: PolicyOutcome, b: PolicyOutcome): boolean => {
  if (a.kind === 'governing' && b.kind === 'governing') {
    return sameItems(a.regions, b.regions) && sameItems(a.namespaces, b.namespaces) && sameItems(a.conflicts, b.conflicts);
  }
  return a.kind === 'namespaceMissing' && b.kind === 'namespaceMissing' && sameItems(a.regions, b.regions) && a.message === b.message;
};

/** Policies of one namespace that together leave no region. */
const conflicting = ({ actions }: NamespaceGovernance): readonly string[] =>
  sortedSet(Object.values(actions).flatMap(({ regions, policies }) => (regions.length === 0 ? policies : [])));

const outcomeOf = ({ regions, spec }: Rule, namespaces: readonly string[], conflicts: readonly string[]): PolicyOutcome =>
  namespaces.length > 0
    ? { kind: 'governing', regions, namespaces, conflicts }
    : { kind: 'namespaceMissing', regions, ...explainMissing(spec) };

const groupFor = (spec: SovereignPolicySpec, regions: readonly string[], excluded: readonly string[]): ConstraintGroup => ({
  regions,
  action: spec.enforcementAction === 'custom' ? 'scoped' : spec.enforcementAction,
  excludedNamespaces: excluded,
  scoped: spec.enforcementAction === 'custom' ? (spec.scopedEnforcementActions ?? []) : [],
});

/**
 * Plans one constraint for each distinct region list, action and exclusion. It lists the policies' own patterns, so it covers a
 * namespace from its creation on; a pod must pass all constraints of its namespace.
 */
const planConstraints = (
  rules: readonly Rule[],
  { present, previous, now }: { present: readonly Constraint[]; previous: Governance | undefined; now: Date },
): readonly DesiredConstraint[] => {
  const planned = previous?.constraints ?? [];
  const groups = Map.groupBy(
    rules.filter(({ spec }) => isForGatekeeper(spec)),
    (rule) => rule.groupIdentity,
  );
  const wanted = [...groups].map(([group, members]) => ({ group, entries: sortedSet(members.map(entryOf).map(entryText)) }));
  // What was planned last may not be in the cluster yet.
  const held = [...planned.map(({ body }) => namedConstraintOf(body as Constraint)), ...present.filter(isOwnName).map(namedConstraintOf)];
  const identities = nameConstraints(wanted, held);
  const before = new Map(planned.map((constraint) => [constraint.name, constraint]));
  const observed = new Map(present.map((constraint) => [constraint.metadata.name, constraint]));
  return [...groups]
    .map(([group, members]) => {
      const identity = identities.get(group) ?? { name: constraintName(group), group, formerGroup: undefined };
      const known = before.get(identity.name);
      const former = formerOf(identity, known, { observed: observed.get(identity.name), now });
      const isKept = known?.group === group && known.former === former && sameItems(inputsOf.get(known) ?? [], members);
      return isKept ? known : constraintOf(identity, former, members);
    })
    .sort((a, b) => byText(a.name, b.name));
};

/** All that it was planned as since the cluster last showed it as wanted: the cluster may still show that, or will for a moment. */
const formerOf = (
  { group, formerGroup }: ConstraintIdentity,
  known: DesiredConstraint | undefined,
  { observed, now }: { readonly observed: Constraint | undefined; readonly now: Date },
): FormerConstraint | undefined => {
  const seen = { ...versionOf(observed), since: now };
  if (known === undefined) return formerGroup === undefined ? undefined : { groups: [formerGroup], ...seen };
  const before = isMoved(known, observed, now) ? undefined : known.former;
  if (known.group === group) return before;
  return { groups: sortedSet([...(before?.groups ?? []), known.group]), ...seen };
};

const entryOf = (rule: Rule): ConstraintEntry => ({ name: rule.key, pattern: rule.spec.targetNamespace });

/** Never used: a group has members. */
const NO_GROUP: ConstraintGroup = { regions: [], action: 'deny', excludedNamespaces: [], scoped: [] };

const constraintOf = (
  { name, group }: ConstraintIdentity,
  former: FormerConstraint | undefined,
  members: readonly Rule[],
): DesiredConstraint => {
  const entries = members.map(entryOf);
  const body = constraintBody(members[0]?.group ?? NO_GROUP, entries, name);
  const constraint: DesiredConstraint = { name, group, former, policies: sortedSet(entries.map((entry) => entry.name)), body };
  inputsOf.set(constraint, members);
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
