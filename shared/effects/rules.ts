import { FLOOR_ACTIONS, type FloorAction, type RegionConflict, type SovereignPolicySpec } from '../api/index.ts';
import { type CompiledPolicy, isUngovernable, protectedFrom, USUAL_PLACE } from '../compile/index.ts';
import { byText, canonicalJson, sha256 } from '../encoding/index.ts';
import { regionsInForce } from '../regions/index.ts';
import { type CombinablePolicy, combinePolicies, isExpired } from '../residency/index.ts';
import { weakMemo } from '../runtime/index.ts';
import { floorActionsOf } from '../status/index.ts';
import type { CombinedRule } from './plan.ts';

/** Parts of a policy on which its effect on pods depends. */
export interface Rule extends CombinablePolicy {
  readonly target: string;
  /** Patterns of namespaces that it does not govern. */
  readonly excluded: readonly string[];
  /** Actions of lock 1, from which placement injection takes the regions. */
  readonly floorActions: readonly FloorAction[];
  readonly injects: boolean;
  /** Text of everything above: equal texts have equal effects. */
  readonly text: string;
  /** Conflicts that take regions from nodes of certain providers. */
  readonly dependent: readonly RegionConflict[];
}

/**
 * The actions of a policy at either lock. An action that a `custom` policy scopes to Gatekeeper's
 * audit only records, as dryrun does.
 */
const actionsOf = ({ enforcementAction, scopedEnforcementActions = [] }: SovereignPolicySpec): readonly FloorAction[] => {
  if (enforcementAction !== 'custom') return [enforcementAction];
  const scoped = scopedEnforcementActions.flatMap(({ action, enforcementPoints }) =>
    enforcementPoints.map(({ name }) => (name === 'audit.gatekeeper.sh' ? 'dryrun' : action)),
  );
  return FLOOR_ACTIONS.filter((action) => scoped.includes(action));
};

/** Makes the rule of a policy that allows these regions. */
const makeRule = ({ name, spec }: CompiledPolicy, { regions, dependent }: Pick<Rule, 'regions' | 'dependent'>): Rule => {
  const target = spec.targetNamespace;
  const rule = {
    key: name,
    target,
    excluded: [...(spec.excludedNamespaces ?? []), ...protectedFrom(target, USUAL_PLACE)],
    regions,
    actions: actionsOf(spec),
    floorActions: floorActionsOf(spec),
    injects: spec.placementInjection === true,
  };
  return { ...rule, text: canonicalJson(rule), dependent };
};

/** The same rule for every cluster that gets a policy without conflicts. */
const ruleOf = weakMemo((policy: CompiledPolicy): Rule => makeRule(policy, { regions: policy.effectiveRegions, dependent: [] }));

/** Providers of nodes that no registration declares: Git does not know them. */
const NO_PROVIDERS: ReadonlySet<string> = new Set();

const ruleAt = (policy: CompiledPolicy, atMs: number): Rule => {
  const { regionConflicts = [] } = policy.spec;
  if (regionConflicts.length === 0) return ruleOf(policy);
  const { regions } = regionsInForce(policy.spec, NO_PROVIDERS, atMs);
  const { conflicts } = regionsInForce(policy.spec, new Set(regionConflicts.flatMap(({ providers }) => providers)), atMs);
  return makeRule(policy, { regions, dependent: conflicts.filter(({ providers }) => providers.length > 0) });
};

/** The rules of the policies that govern at a time, in milliseconds since 1970. */
export const rulesOf = (policies: readonly CompiledPolicy[], atMs: number): readonly Rule[] =>
  policies
    .filter(({ spec }) => !isExpired(spec.expiryDate, atMs) && !isUngovernable(spec.targetNamespace, USUAL_PLACE))
    .map((policy) => ruleAt(policy, atMs));

/** Patterns by which rules distinguish namespaces, sorted. */
export const patternsOf = (rules: readonly Pick<Rule, 'target' | 'excluded'>[]): readonly string[] =>
  [...new Set(rules.flatMap(({ target, excluded }) => [target, ...excluded]))].sort(byText);

/** SHA-256 (hex) of sorted patterns. */
export const digestOfPatterns = (patterns: readonly string[]): string => sha256(canonicalJson(patterns));

/** Combines the rules of a namespace as agents do, by action. */
export const combineRules = (rules: readonly Rule[]): ReadonlyMap<FloorAction, CombinedRule> => {
  const floor = rules.some(({ injects }) => injects) ? combinePolicies(rules.map((rule) => ({ ...rule, actions: rule.floorActions }))) : [];
  const injected = floor.find(({ action }) => action !== 'dryrun')?.regions ?? [];
  return new Map(
    combinePolicies(rules).map(({ action, regions, policies }) => [
      action,
      { regions: [...regions], injected: [...injected], policies: policies.map(({ key }) => key) },
    ]),
  );
};
