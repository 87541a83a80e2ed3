import type { FloorAction } from '../../api/index.ts';
import { canonicalJson, groupBy } from '../../encoding/index.ts';
import { count, weakMemo } from '../../runtime/index.ts';
import { admitsOpen } from '../compare-rules.ts';
import { WORKLOAD_CLASSES } from '../workloads.ts';
import type { Beyond } from './acceptance.ts';
import {
  isPattern,
  type PlannedClass,
  type PlannedEffect,
  type PlannedEffects,
  type PlannedRule,
  type PlannedWorkloads,
} from './planned-effects.ts';

/** Most effects that are named. One is enough to refuse, so more of them change nothing. */
export const MAX_NAMED = 20;

/** Regions of a rule; null if no policy governs the namespace, so that all are allowed. */
type Regions = readonly string[] | null;

const includesAll = (some: Regions, all: Regions): boolean => all === null || (some?.every((region) => all.includes(region)) ?? false);

/** Regions that both allow. */
const common = (one: Regions, other: Regions): Regions => {
  if (one === null) return other;
  return other === null ? one : one.filter((region) => other.includes(region));
};

const regionsOf = (rule: PlannedRule | null): Regions => rule?.regions ?? null;

/** Whether a rule admits pods without a region; true without a rule. */
const isOpen = (rule: PlannedRule | null): boolean => rule === null || admitsOpen(rule);

/** Allowed regions without nodes, where there are fewer nodes than before. */
const unusable = ({ after, usable }: PlannedEffect): readonly string[] =>
  usable === null || after === null ? [] : after.regions.filter((region) => !usable.includes(region));

/** Whether pods without a region are admitted, and have no nodes. */
const isOpenStuck = ({ after, usable }: PlannedEffect): boolean =>
  usable !== null && after !== null && admitsOpen(after) && !after.injected.some((region) => usable.includes(region));

/** Whether the accepted effect refuses every pod that today's refuses. Both have the same rule. */
const refusesNoMore = (today: PlannedEffect, accepted: PlannedEffect): boolean => {
  const { before, after } = today;
  const isOpenLost = isOpen(before) && !isOpen(after);
  return includesAll(common(regionsOf(accepted.after), regionsOf(before)), regionsOf(after)) && (!isOpenLost || !isOpen(accepted.after));
};

/**
 * Whether the accepted effect admits every pod that today's newly admits, from the same rule. A pod
 * may be scheduled in several regions, so one new region makes all regions of the rule count.
 */
const admitsNoMore = (today: PlannedEffect, accepted: PlannedEffect): boolean => {
  const { before, after } = today;
  const isOpened = !isOpen(before) && isOpen(after);
  return (
    (includesAll(regionsOf(after), regionsOf(before)) || includesAll(regionsOf(after), regionsOf(accepted.after))) &&
    (!isOpened || isOpen(accepted.after))
  );
};

/** Whether the accepted effect leaves every pod without nodes that today's does. */
const strandsNoMore = (today: PlannedEffect, accepted: PlannedEffect): boolean =>
  (!today.pending || accepted.pending) &&
  includesAll(unusable(today), unusable(accepted)) &&
  (!isOpenStuck(today) || isOpenStuck(accepted)) &&
  (today.usable?.length !== 0 || accepted.usable?.length === 0) &&
  (today.elsewhere === null || (accepted.elsewhere !== null && includesAll(accepted.elsewhere, today.elsewhere)));

const OTHER_RULE = ', from another rule than in the plan: plan again';
const OTHER_NAMESPACES = ', where the pattern stands for other namespaces than in the plan: plan again';

/** Describes how an effect exceeds the accepted one of its place; undefined if it does not. */
const excessOf = (today: PlannedEffect, accepted: PlannedEffect): string | undefined => {
  if (canonicalJson(today.before) !== canonicalJson(accepted.before)) return OTHER_RULE;
  const isWithin = refusesNoMore(today, accepted) && admitsNoMore(today, accepted) && strandsNoMore(today, accepted);
  return isWithin ? undefined : ', further than in the plan';
};

const keyOf = (action: FloorAction, cluster: string, namespace: string): string => `${action} ${cluster} ${namespace}`;

/** Looks up the effects of an accepted plan by action, cluster and namespace. */
const createLookup = ({ effects, patterns }: PlannedEffects) => {
  const found = new Map<string, PlannedEffect>();
  for (const effect of effects)
    for (const cluster of effect.clusters)
      for (const namespace of effect.namespaces) found.set(keyOf(effect.action, cluster, namespace), effect);
  const digests = new Map(patterns.flatMap(({ clusters, digest }) => clusters.map((cluster) => [cluster, digest])));
  return {
    effect: (action: FloorAction, cluster: string, namespace: string) => found.get(keyOf(action, cluster, namespace)),
    digest: (cluster: string): string | undefined => digests.get(cluster),
  };
};

/** An effect that another plan does not have. */
interface Excess extends Omit<Beyond, 'message'> {
  readonly effect: string;
  /** Difference from the other plan, in words; empty if that has no such effect. */
  readonly difference: string;
}

/** Finds the effects on possible pods that an accepted plan does not have. */
function* beyondRules(today: PlannedEffects, accepted: PlannedEffects): Generator<Excess> {
  const known = createLookup(accepted);
  const own = createLookup({ ...today, effects: [] });
  // A pattern stands for the namespaces that no other pattern names more closely, so it is the same
  // only together with all patterns of the cluster.
  const isSame = (cluster: string, namespace: string): boolean =>
    !isPattern(namespace) || (known.digest(cluster) !== undefined && known.digest(cluster) === own.digest(cluster));
  for (const effect of today.effects) {
    const { action, verdict } = effect;
    const excess = weakMemo((other: PlannedEffect) => excessOf(effect, other));
    for (const namespace of effect.namespaces) {
      const excessIn = (cluster: string): string | undefined => {
        const other = known.effect(action, cluster, namespace);
        if (other === undefined) return '';
        return isSame(cluster, namespace) ? excess(other) : OTHER_NAMESPACES;
      };
      for (const [words, clusters] of groupBy(effect.clusters, excessIn))
        if (words !== undefined) yield { clusters, effect: `namespace ${namespace}: ${action} ${verdict}`, difference: words };
    }
  }
}

const WOULD: Readonly<Record<(typeof WORKLOAD_CLASSES)[number], string>> = {
  outside: 'would be outside',
  refused: 'would be refused at the next start',
  pending: 'would stay pending',
};

const NONE: PlannedClass = { now: null, after: null, begins: 0, ends: 0 };

/** Names of the owners that come into a class; undefined unless all are named. */
const namesOf = ({ begins, owners }: PlannedClass): readonly string[] | undefined => (owners?.length === begins ? owners : undefined);

type ExcessOwners = Omit<Excess, 'clusters'>;

/**
 * Compares owners of a class by name. An owner that could start before is not accepted by one that
 * could not.
 *
 * @param known all owners that the accepted plan has, by name
 */
const beyondNames = (today: PlannedClass, known: readonly string[], eased: readonly string[]): ExcessOwners | undefined => {
  const own = namesOf(today);
  if (own === undefined)
    return { effect: count(today.begins, 'owner'), difference: `, not all by name, and the plan has ${known.length} by name` };
  const isAccepted = (owner: string): boolean =>
    known.includes(owner) && (!eased.includes(owner) || today.easedOwners?.includes(owner) === true);
  const others = own.filter((owner) => !isAccepted(owner));
  return others.length === 0
    ? undefined
    : { effect: count(others.length, 'other owner'), difference: '', owners: others.slice(0, MAX_NAMED) };
};

/** Compares the number of owners of a class, and of those that could start before. */
const beyondCounts = (today: PlannedClass, accepted: PlannedClass): ExcessOwners | undefined => {
  if (today.begins > accepted.begins) return { effect: count(today.begins, 'owner'), difference: `, and ${accepted.begins} in the plan` };
  const [worse, accepts] = [today.begins - (today.eased ?? 0), accepted.begins - (accepted.eased ?? 0)];
  return worse > accepts
    ? { effect: `${count(worse, 'owner')} that could start before`, difference: `, and ${accepts} in the plan` }
    : undefined;
};

/**
 * Finds the owners of a class that an accepted plan does not have: by name if the plan names all of
 * its owners, else by number.
 *
 * @returns undefined if there are none
 */
const beyondClass = (today: PlannedClass, accepted: PlannedClass): ExcessOwners | undefined => {
  const { begins, owners } = today;
  if (begins === 0) return undefined;
  if (accepted.begins === 0)
    return {
      effect: count(begins, 'owner'),
      difference: ', and none in the plan',
      ...(owners && { owners: owners.slice(0, MAX_NAMED) }),
    };
  const known = namesOf(accepted);
  return (known && beyondNames(today, known, accepted.easedOwners ?? [])) ?? beyondCounts(today, accepted);
};

/** Finds the owners of one cluster that an accepted plan does not have. */
const beyondCluster = (today: PlannedWorkloads, accepted: PlannedWorkloads | undefined): readonly Excess[] =>
  WORKLOAD_CLASSES.flatMap((name) => {
    const found = beyondClass(today[name], accepted?.[name] ?? NONE);
    return found === undefined ? [] : [{ clusters: [today.cluster], ...found, effect: `${WOULD[name]}: ${found.effect}` }];
  });

/** Finds the effects that another plan does not have, as far as both are known. */
export function* findExcess(today: PlannedEffects, other: PlannedEffects): Generator<Excess> {
  yield* beyondRules(today, other);
  const known = new Map(other.workloads.map((each) => [each.cluster, each]));
  for (const cluster of today.workloads) yield* beyondCluster(cluster, known.get(cluster.cluster));
}

/** Finds everything that an accepted plan does not have. */
function* beyondAll(today: PlannedEffects, accepted: PlannedEffects): Generator<Beyond> {
  const { notLookedAt, notAnswered, partly } = today;
  const unknown = [
    { clusters: notLookedAt, message: 'not all was looked at' },
    { clusters: notAnswered, message: 'they did not answer' },
    { clusters: partly, message: 'not all owners were judged whole' },
  ];
  yield* unknown.filter(({ clusters }) => clusters.length > 0);
  for (const { effect, difference, ...excess } of findExcess(today, accepted)) yield { ...excess, message: `${effect}${difference}` };
}

/**
 * Finds the effects of a change that an accepted plan of the same base does not have; none if they
 * are a subset. What is unknown today is in no subset. Pure; the cost grows with the clusters and
 * namespaces of the accepted plan, and not with those of the change.
 *
 * @returns the first 20
 */
export const beyondAccepted = (today: PlannedEffects, accepted: PlannedEffects): readonly Beyond[] => {
  const found: Beyond[] = [];
  for (const beyond of beyondAll(today, accepted)) {
    found.push(beyond);
    if (found.length === MAX_NAMED) break;
  }
  return found;
};
