import { isDeepStrictEqual } from 'node:util';
import type { FloorAction } from '@fso/shared/api';
import { createMatcher, type GatekeeperPlace, isGlob, USUAL_PLACE } from '@fso/shared/compile';
import { byText } from '@fso/shared/encoding';
import { nextRegionChange, regionEnds } from '@fso/shared/regions';
import { combinePolicies, DAY_MS, EXPIRY_WARNING_DAYS } from '@fso/shared/residency';
import { sameItems } from '@fso/shared/runtime';
import { explainMissing } from '@fso/shared/status';
import { sortedSet } from '../compare.ts';
import { hasShownMove, planConstraints } from './gatekeeper/desired-constraints.ts';
import type { Constraint } from './gatekeeper/kinds.ts';
import { type Rule, type RuleContext, rulesOf } from './rules.ts';
import {
  type ActionGovernance,
  type GlobReach,
  type Governance,
  type GovernanceInputs,
  type NamespaceGovernance,
  type NamespaceInput,
  NO_PROVIDERS,
  type PolicyInput,
  type PolicyOutcome,
  type PresentProviders,
} from './types.ts';

interface GovernanceContext {
  /** Previous result. Unchanged parts of it are reused, so that readers can compare by identity. */
  readonly previous?: Governance | undefined;
  /** Place of Gatekeeper; has to be the same object on every call. */
  readonly place?: GatekeeperPlace;
  /** Providers of the nodes; has to be the same object while they are unchanged. Default: none. */
  readonly providers?: PresentProviders;
  /** Constraints in the cluster. Their names are reused. */
  readonly constraints?: readonly Constraint[];
}

/**
 * Plans which policies govern each namespace, and the outcome of each policy, at one moment.
 *
 * A policy that is being deleted governs nothing and has no outcome. A namespace that is being
 * deleted accepts no new pods and counts as gone. Regions are intersected only among policies of
 * the same action, so a dryrun policy never blocks. A `custom` policy takes part in the floor with
 * each action that it scopes to `vap.k8s.io` or `*`.
 */
export const planGovernance = (
  policies: readonly PolicyInput[],
  namespaces: readonly NamespaceInput[],
  now: Date,
  { previous, place = USUAL_PLACE, providers = NO_PROVIDERS, constraints = [] }: GovernanceContext = {},
): Governance => {
  const inputs = [providers, ...policies, ...namespaces.map(({ name, terminating }) => (terminating ? undefined : name))];
  if (previous !== undefined && isStillTrue(previous, inputs, now) && !hasShownMove(previous, constraints, now)) return previous;
  const { living, rules, outcomes, match } = matchRules(policies, { place, providers }, now);
  const matched = new Map<string, readonly Rule[]>();
  const governIn = (names: readonly string[], before: Governance['namespaces'] | undefined) =>
    govern(names, { match, matched, before, from: previous?.from.namespaces });
  const present = new Set(namespaces.filter(({ terminating }) => !terminating).map(({ name }) => name));
  const governed = governIn([...present], previous?.namespaces);
  const missing = rules.map(({ spec }) => spec.targetNamespace).filter((target) => !isGlob(target) && !present.has(target));
  return {
    namespaces: governed,
    // An unreadable policy keeps its rules; its own outcome replaces that of the rules.
    policies: new Map([...governingOutcomes(rules, governed, { previous, providers }), ...outcomes]),
    constraints: planConstraints(rules, { present: constraints, previous, now }),
    awaited: governIn(missing, previous?.awaited),
    globs: globsOf(rules),
    nextChangeAt: nextChange(living, now),
    from: { all: inputs, namespaces: matched },
  };
};

/** Prepares the policies that are not being deleted, by key, for matching. */
const matchRules = (policies: readonly PolicyInput[], context: RuleContext, now: Date) => {
  const living = policies.filter((policy) => !policy.deleting).sort((a, b) => byText(a.key, b.key));
  const { rules, outcomes } = rulesOf(living, context, now);
  return { living, rules, outcomes, match: createMatcher(rules, ({ spec }) => spec.targetNamespace) };
};

/** Governance of single namespaces, also by policies that are not in force. */
export interface Governor {
  /** Largest number of patterns that {@link rulesIn} tries. */
  patternsFor(namespace: string): number;
  /** Rules that match the namespace. A rule is the same object while its policy is unchanged. */
  rulesIn(namespace: string): readonly Rule[];
  /**
   * Combines the rules of a namespace.
   *
   * @param rules result of {@link rulesIn}
   * @returns undefined if no policy governs the namespace
   */
  governanceIn(namespace: string, rules: readonly Rule[]): NamespaceGovernance | undefined;
  /** Regions that a policy allows; undefined if it does not govern. */
  regionsOf(policy: string): readonly string[] | undefined;
}

/** Prepares policies like {@link planGovernance}, one policy per step. */
export function* createGovernor(policies: readonly PolicyInput[], context: RuleContext, now: Date): Generator<undefined, Governor> {
  for (const policy of policies) {
    // Fills the memo of the rule, so that the work below is short.
    rulesOf([policy], context, now);
    yield;
  }
  const { rules, match } = matchRules(policies, context, now);
  const regions = new Map(rules.map((rule) => [rule.key, rule.regions]));
  const patterns = countPatterns(rules);
  return {
    patternsFor: (namespace) => (patterns.get(GLOBS) ?? 0) + (patterns.get(namespace) ?? 0),
    rulesIn: match,
    governanceIn: (namespace, matching) => (matching.length === 0 ? undefined : combine(namespace, matching)),
    regionsOf: (policy) => regions.get(policy),
  };
}

/** Key for the patterns of all globs, which are tried on every namespace. */
const GLOBS = '*';

/**
 * Counts target and exclusions of each rule by exact target; those of globs under {@link GLOBS}.
 */
const countPatterns = (rules: readonly Rule[]): ReadonlyMap<string, number> => {
  const counts = new Map<string, number>();
  for (const { spec, excluded } of rules) {
    const key = isGlob(spec.targetNamespace) ? GLOBS : spec.targetNamespace;
    counts.set(key, (counts.get(key) ?? 0) + 1 + excluded.length);
  }
  return counts;
};

const isStillTrue = (previous: Governance, inputs: readonly unknown[], now: Date): boolean =>
  (previous.nextChangeAt === undefined || now < previous.nextChangeAt) && sameItems(previous.from.all, inputs);

type Match = (namespace: string) => readonly Rule[];

interface GovernContext {
  readonly match: Match;
  /** Receives the rules of each governed namespace. */
  readonly matched: Map<string, readonly Rule[]>;
  /** Governance and rules by namespace in the previous result. */
  readonly before: ReadonlyMap<string, NamespaceGovernance> | undefined;
  readonly from: GovernanceInputs['namespaces'] | undefined;
}

const govern = (names: readonly string[], { match, matched, before, from }: GovernContext): Map<string, NamespaceGovernance> => {
  const governed = new Map<string, NamespaceGovernance>();
  for (const name of sortedSet(names)) {
    const matching = match(name);
    if (matching.length === 0) continue;
    matched.set(name, matching);
    const known = before?.get(name);
    governed.set(name, known !== undefined && sameItems(from?.get(name) ?? [], matching) ? known : combine(name, matching));
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
  return { namespace, actions, policies: sortedSet(rules.map((rule) => rule.key)), injection };
};

const governingOutcomes = (
  rules: readonly Rule[],
  governed: ReadonlyMap<string, NamespaceGovernance>,
  { previous, providers: { providers } }: Pick<GovernanceContext, 'previous'> & { readonly providers: PresentProviders },
): ReadonlyMap<string, PolicyOutcome> => {
  const namespaces = new Map<string, string[]>(rules.map((rule) => [rule.key, []]));
  const conflicts = new Map<string, string[]>(rules.map((rule) => [rule.key, []]));
  for (const governance of governed.values()) {
    for (const key of governance.policies) namespaces.get(key)?.push(governance.namespace);
    for (const key of conflicting(governance)) conflicts.get(key)?.push(governance.namespace);
  }
  return new Map(
    rules.map((rule) => {
      const known = outcomeOf(rule, namespaces.get(rule.key) ?? [], conflicts.get(rule.key) ?? []);
      const outcome = { ...known, ends: regionEnds(rule.spec, providers) };
      const before = previous?.policies.get(rule.key);
      return [rule.key, before !== undefined && sameOutcome(before, outcome) ? before : outcome];
    }),
  );
};

const sameOutcome = (a: PolicyOutcome, b: PolicyOutcome): boolean => {
  if (a.kind === 'governing' && b.kind === 'governing') {
    return isSameReach(a, b) && sameItems(a.namespaces, b.namespaces) && sameItems(a.conflicts, b.conflicts);
  }
  return a.kind === 'namespaceMissing' && b.kind === 'namespaceMissing' && isSameReach(a, b) && a.message === b.message;
};

type Reach = Pick<Extract<PolicyOutcome, { kind: 'governing' }>, 'regions' | 'leftOut' | 'ends'>;
const isSameReach = (a: Reach, b: Reach): boolean =>
  sameItems(a.regions, b.regions) && isDeepStrictEqual([a.leftOut, a.ends], [b.leftOut, b.ends]);

/** Policies of one namespace that together leave no region. */
const conflicting = ({ actions }: NamespaceGovernance): readonly string[] =>
  sortedSet(Object.values(actions).flatMap(({ regions, policies }) => (regions.length === 0 ? policies : [])));

type Governing = Extract<PolicyOutcome, { kind: 'governing' | 'namespaceMissing' }>;

const outcomeOf = ({ regions, leftOut, spec }: Rule, namespaces: readonly string[], conflicts: readonly string[]): Governing =>
  namespaces.length > 0
    ? { kind: 'governing', regions, leftOut, namespaces, conflicts }
    : { kind: 'namespaceMissing', regions, leftOut, ...explainMissing(spec) };

/** Times before an expiry at which its approach is announced, in ms. */
const ANNOUNCED_MS: readonly number[] = [0, ...EXPIRY_WARNING_DAYS].map((days) => days * DAY_MS);

const nextChange = (policies: readonly PolicyInput[], now: Date): Date | undefined => {
  const times = policies.flatMap(({ spec }) =>
    ANNOUNCED_MS.flatMap((beforeMs) => {
      const ends = [spec.expiryDate && Date.parse(spec.expiryDate), nextRegionChange(spec, now.getTime() + beforeMs)];
      return ends.flatMap((end) => (typeof end === 'number' ? end - beforeMs : []));
    }),
  );
  const next = times.reduce((least, time) => (time > now.getTime() && time < least ? time : least), Number.POSITIVE_INFINITY);
  return Number.isFinite(next) ? new Date(next) : undefined;
};
