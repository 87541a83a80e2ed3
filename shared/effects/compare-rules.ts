import { type FloorAction, REGION_LABEL } from '../api/index.ts';
import { decideResidency, MAX_REGION_VALUES } from '../residency/index.ts';
import { injectRegions } from '../risk/index.ts';
import type { CombinedRule, Effect, Verdict, WitnessPod } from './plan.ts';

/** A rule, and those of its regions in which the cluster has nodes. */
export interface PlacedRule {
  readonly rule: CombinedRule;
  readonly usable: readonly string[];
}

/** A rule before and after; undefined if there is none. */
export interface RulePair {
  readonly action: FloorAction;
  readonly before: PlacedRule | undefined;
  readonly after: PlacedRule | undefined;
  /** Regions in which the clusters have nodes before. */
  readonly regions: readonly string[];
}

/** A pod without a region. */
const OPEN: WitnessPod = { nodeSelector: {} };
const inRegion = (region: string): WitnessPod => ({ nodeSelector: { [REGION_LABEL]: region } });

/** Whether a rule admits pods without a region, by the regions that injection gives them. */
export const admitsOpen = ({ regions, injected }: Pick<CombinedRule, 'regions' | 'injected'>): boolean =>
  injected.length > 0 && injected.length < MAX_REGION_VALUES && injected.every((region) => regions.includes(region));

const missing = (from: readonly string[], others: readonly string[]): string | undefined => from.find((region) => !others.includes(region));

/** A region that a rule does not allow. */
const regionOutside = ({ regions }: CombinedRule): string => {
  let invented = 'outside';
  while (regions.includes(invented)) invented += '-x';
  return invented;
};

/**
 * Finds a pod that one rule admits and another refuses. There is one exactly if only the first rule
 * allows some region, or admits pods without a region. Any other pod is admitted by the regions
 * that it may be scheduled in, and a pod of one region stands for each of these.
 */
const witnessOf = (admitting: CombinedRule | undefined, refusing: CombinedRule | undefined): WitnessPod | undefined => {
  if (refusing === undefined) return undefined;
  if (admitting === undefined) return admitsOpen(refusing) ? inRegion(regionOutside(refusing)) : OPEN;
  const region = missing(admitting.regions, refusing.regions);
  if (region !== undefined) return inRegion(region);
  return admitsOpen(admitting) && !admitsOpen(refusing) ? OPEN : undefined;
};

const explain = (pod: WitnessPod | undefined, { regions, injected }: CombinedRule): Effect['refused'] => {
  if (pod === undefined) return null;
  const decision = decideResidency(injectRegions(pod, injected), regions);
  return decision.admitted ? null : { pod, reason: decision.violation, fix: decision.fix };
};

/** Whether a rule admits pods without a region, and there are nodes for them. */
const runsOpen = ({ rule, usable }: PlacedRule): boolean => admitsOpen(rule) && rule.injected.some((region) => usable.includes(region));

/**
 * Finds a pod that deny admits before and after, and that had nodes before and has none after.
 * Without a rule before, it had all nodes.
 */
const pendingOf = ({ action, before, after, regions }: RulePair): WitnessPod | undefined => {
  if (action !== 'deny' || after === undefined) return undefined;
  const had = before === undefined ? regions : before.usable;
  const region = had.find((each) => after.rule.regions.includes(each) && !after.usable.includes(each));
  if (region !== undefined) return inRegion(region);
  const ranOpen = before === undefined ? regions.length > 0 : runsOpen(before);
  return ranOpen && admitsOpen(after.rule) && !runsOpen(after) ? OPEN : undefined;
};

const verdictOf = ({ before, after }: RulePair, isTighter: boolean, isLooser: boolean): Verdict => {
  if (before === undefined) return 'appears';
  if (after === undefined) return 'disappears';
  if (isTighter) return isLooser ? 'incomparable' : 'tightened';
  return isLooser ? 'loosened' : 'unchanged';
};

/** Whether a denying rule leaves a namespace none of the nodes that it had. */
const isStranded = ({ action, before, after, regions }: RulePair): boolean =>
  action === 'deny' && after?.usable.length === 0 && (before?.usable ?? regions).length > 0;

/** The change of one rule. */
export type RuleChange = Omit<Effect, 'clusters' | 'namespaces' | 'elsewhere'>;

/** Compares one rule before and after, for every possible pod. At least one side must have it. */
export const compareRules = (pair: RulePair): RuleChange => {
  const { action, before, after } = pair;
  const tightening = witnessOf(before?.rule, after?.rule);
  const loosening = witnessOf(after?.rule, before?.rule);
  const refused = after === undefined ? null : explain(tightening, after.rule);
  const pending = pendingOf(pair) ?? null;
  return {
    action,
    verdict: verdictOf(pair, tightening !== undefined, loosening !== undefined),
    breaks: action === 'deny' && (refused !== null || pending !== null),
    before: before?.rule ?? null,
    after: after?.rule ?? null,
    refused,
    admitted: loosening ?? null,
    pending,
    usable: after !== undefined && (pending !== null || isStranded(pair)) ? [...after.usable] : null,
  };
};
