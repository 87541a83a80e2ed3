import {
  type ClusterPolicySpec,
  ENFORCEMENT_POINTS,
  type FloorAction,
  Region,
  type RegionConflict,
  type SovereignPolicySpec,
} from '@fso/shared/api';
import { type GatekeeperPlace, isGlob, isUngovernable, matchesNamespace, protectedFrom } from '@fso/shared/compile';
import { parseReference } from '@fso/shared/regions';
import { isExpired } from '@fso/shared/residency';
import { messageOf, truncate, weakMemo, weakMemo2 } from '@fso/shared/runtime';
import { floorActionsOf } from '@fso/shared/status';
import { sortedSet } from '../compare.ts';
import { type ConstraintGroup, groupIdentity } from './gatekeeper/constraint.ts';
import { type InForcePolicy, inForce } from './region-conflicts.ts';
import { findSurplus, isTenants, shardOf } from './tenants.ts';
import type { PolicyInput, PolicyOutcome, PresentProviders } from './types.ts';

const POINTS: ReadonlySet<string> = new Set(ENFORCEMENT_POINTS);

const isRegion = (text: string): boolean => Region.safeParse(text).success;

/** Finds the reason why a policy cannot be enforced here; undefined if there is none. */
const findProblem = (spec: SovereignPolicySpec, place: GatekeeperPlace): string | undefined => {
  const reference = spec.allowedRegions.find((region) => parseReference(region).type !== 'name');
  if (reference !== undefined) {
    return `spec.allowedRegions: ${truncate(reference, 100)} names regions that only a policy repository can look up; list the regions themselves`;
  }
  // The CRD refuses these two as well, but a policy may be older than that schema.
  const odd = spec.allowedRegions.find((region) => !isRegion(region));
  if (odd !== undefined) return `spec.allowedRegions: ${truncate(odd, 100)} cannot be the region of a node`;
  if (isUngovernable(spec.targetNamespace, place)) {
    return `spec.targetNamespace: ${spec.targetNamespace} runs the enforcement itself and cannot be governed`;
  }
  if (spec.enforcementAction === 'custom' && (spec.scopedEnforcementActions ?? []).length === 0) {
    return 'spec.scopedEnforcementActions: enforcementAction custom needs at least one scoped action';
  }
  const unknown = pointsOf(spec).find((point) => !POINTS.has(point));
  if (unknown !== undefined) {
    return `spec.scopedEnforcementActions: ${unknown} is not an enforcement point; use ${ENFORCEMENT_POINTS.join(', ')}`;
  }
  return undefined;
};

const pointsOf = ({ scopedEnforcementActions = [] }: SovereignPolicySpec): readonly string[] =>
  scopedEnforcementActions.flatMap(({ enforcementPoints }) => enforcementPoints.map(({ name }) => name));

/** A policy in force: its regions, exclusions, actions, and the group of its constraint. */
export interface Rule {
  readonly key: string;
  /** `-` for a local policy. */
  readonly revision: string;
  readonly spec: ClusterPolicySpec;
  /** Regions of the policy that are allowed in this cluster now. */
  readonly regions: readonly string[];
  /** Reasons why other regions of the policy are left out. */
  readonly leftOut: readonly RegionConflict[];
  readonly excluded: readonly string[];
  readonly actions: readonly FloorAction[];
  readonly group: ConstraintGroup;
  /** See {@link groupIdentity}. */
  readonly groupIdentity: string;
}

/**
 * Derives the rules of all policies that govern, and the outcomes of those that cannot be enforced
 * as written.
 */
export const rulesOf = (policies: readonly PolicyInput[], { place, providers }: RuleContext, now: Date) => {
  const outcomes = new Map<string, PolicyOutcome>();
  const rules: Rule[] = [];
  const isOver = ({ spec }: PolicyInput): boolean => isExpired(spec.expiryDate, now.getTime());
  const surplus = findSurplus(policies.filter((policy) => !isOver(policy)));
  const here = (policy: PolicyInput): PolicyInput => inForce(policy, providers, now.getTime());
  const judgeOne = (policy: PolicyInput): Rule | PolicyOutcome =>
    surplus.get(policy.key) ?? (isOver(policy) ? expired(policy) : judgeSafely(place, here(policy)));
  for (const policy of policies) {
    const verdict = policy.problem === undefined ? judgeOne(policy) : unreadableOutcome(policy);
    if ('kind' in verdict) outcomes.set(policy.key, verdict);
    else rules.push(verdict);
    if (policy.problem !== undefined) rules.push(...lastRules(place, policy));
  }
  return { rules, outcomes };
};

/** Facts of the cluster, beside its policies, that the rules depend on. */
export interface RuleContext {
  readonly place: GatekeeperPlace;
  readonly providers: PresentProviders;
}

const expired = weakMemo(
  ({ spec }: PolicyInput): PolicyOutcome => ({
    kind: 'expired',
    regions: sortedSet(spec.allowedRegions.filter(isRegion)),
    expiredAt: spec.expiryDate ?? '',
  }),
);

/** Derives the rule of a policy that has not expired, or an outcome if it cannot be enforced. */
const judge = weakMemo2((place: GatekeeperPlace, policy: InForcePolicy): Rule | PolicyOutcome => {
  const { key, revision = '-', spec, leftOut = [] } = policy;
  const problem = findProblem(spec, place);
  if (problem !== undefined) return { kind: 'invalid', message: problem };
  const regions = sortedSet(spec.allowedRegions);
  const excluded = excludedOf(spec, place);
  const group = { ...groupFor(spec, regions, excluded), ...(isTenants(policy) ? { shard: shardOf(policy.namespace) } : {}) };
  return { key, revision, spec, regions, leftOut, excluded, actions: floorActionsOf(spec), group, groupIdentity: groupIdentity(group) };
});

/** Judges a policy. An error makes only this policy invalid; all others stay enforced. */
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

/** Last enforced rules of a policy that cannot be read. They stay in force. */
const lastRules = weakMemo2((place: GatekeeperPlace, policy: PolicyInput): readonly Rule[] =>
  (policy.lastEnforced ?? [])
    .map((spec) => judgeSafely(place, { ...policy, spec, problem: undefined }))
    .filter((verdict): verdict is Rule => !('kind' in verdict)),
);

/**
 * Drops exclusions that cannot match an exact target, so that more policies share one constraint.
 */
const excludedOf = ({ targetNamespace, excludedNamespaces = [] }: SovereignPolicySpec, place: GatekeeperPlace): readonly string[] => {
  if (isGlob(targetNamespace)) return sortedSet([...excludedNamespaces, ...protectedFrom(targetNamespace, place)]);
  return sortedSet(excludedNamespaces.filter((pattern) => matchesNamespace(pattern, targetNamespace)));
};

const groupFor = (spec: SovereignPolicySpec, regions: readonly string[], excluded: readonly string[]): ConstraintGroup => ({
  regions,
  action: spec.enforcementAction === 'custom' ? 'scoped' : spec.enforcementAction,
  excludedNamespaces: excluded,
  scoped: spec.enforcementAction === 'custom' ? (spec.scopedEnforcementActions ?? []) : [],
});
