import { FLOOR_ACTIONS, type FloorAction, type RegionConflict } from '../api/index.ts';
import { byText, canonicalJson, groupBy } from '../encoding/index.ts';
import { isPattern, namedClusters, type PatternDigest } from './acceptance/planned-effects.ts';
import { compareRules, type PlacedRule, type RuleChange } from './compare-rules.ts';
import { createElsewhere, type FindElsewhere } from './elsewhere.ts';
import { type ClusterGroup, changedClusters, digestOfFleet, type FleetState, groupClusters, openFleet } from './fleet.ts';
import { MAX_CLASSES, namespaceClasses } from './namespace-classes.ts';
import type { Effect, Effects, NamespaceClass } from './plan.ts';
import { combineRules, digestOfPatterns, patternsOf, type Rule } from './rules.ts';

/**
 * Rules that can change something: those without an equal one on the other side, and denying ones
 * of regions whose nodes are lost or added.
 */
const changedRules = ({ before, after }: ClusterGroup): ReadonlySet<Rule> => {
  const [had, has] = [before, after].map(({ list }) => new Set(list.rules.map(({ text }) => text)));
  const moved = [
    ...before.regions.filter((region) => !after.regions.includes(region)),
    ...after.regions.filter((region) => !before.regions.includes(region)),
  ];
  const isMoved = ({ actions, regions }: Rule): boolean => actions.includes('deny') && moved.some((region) => regions.includes(region));
  return new Set([
    ...before.list.rules.filter((rule) => has?.has(rule.text) !== true || isMoved(rule)),
    ...after.list.rules.filter((rule) => had?.has(rule.text) !== true || isMoved(rule)),
  ]);
};

/** Whether a rule admits a region on nodes of certain providers. */
const admitsWith = ({ regions, dependent }: Rule, region: string, providers: readonly string[]): boolean =>
  regions.includes(region) &&
  !dependent.some((conflict) => conflict.regions.includes(region) && conflict.providers.every((provider) => providers.includes(provider)));

/**
 * Whether a denying rule takes a region only from nodes of some provider, in clusters that may have
 * such nodes. Git does not know the providers of clusters that are registered without one.
 */
const dependsOnProvider = ({ before, after }: ClusterGroup): boolean => {
  if (after.hasProvider) return false;
  const had = new Map(before.list.rules.map((rule) => [rule.key, rule]));
  const isLost = ({ regions, providers }: RegionConflict, rule: Rule | undefined): boolean =>
    regions.some((region) => before.regions.includes(region) && (rule === undefined || admitsWith(rule, region, providers)));
  return after.list.rules.some(
    ({ key, actions, dependent }) => actions.includes('deny') && dependent.some((conflict) => isLost(conflict, had.get(key))),
  );
};

const placeRule = (rules: ReturnType<typeof combineRules>, action: FloorAction, nodes: readonly string[]): PlacedRule | undefined => {
  const rule = rules.get(action);
  return rule && { rule, usable: rule.regions.filter((region) => nodes.includes(region)) };
};

const compareNamespace = (before: readonly Rule[], after: readonly Rule[], group: ClusterGroup): readonly RuleChange[] => {
  const [had, has] = [combineRules(before), combineRules(after)];
  return FLOOR_ACTIONS.filter((action) => had.has(action) || has.has(action)).map((action) =>
    compareRules({
      action,
      before: placeRule(had, action, group.before.regions),
      after: placeRule(has, action, group.after.regions),
      regions: group.before.regions,
    }),
  );
};

const isChange = ({ verdict, pending }: RuleChange): boolean => verdict !== 'unchanged' || pending !== null;

/** Namespaces of a group of clusters that the same rules govern, before and after. */
interface GovernedAlike {
  readonly before: readonly Rule[];
  readonly after: readonly Rule[];
  readonly namespaces: NamespaceClass[];
}

const governedAlike = (group: ClusterGroup, classes: readonly NamespaceClass[], changed: ReadonlySet<Rule>): readonly GovernedAlike[] => {
  const alike = new Map<string, GovernedAlike>();
  for (const namespace of classes) {
    const before = group.before.list.match(namespace.example);
    const after = group.after.list.match(namespace.example);
    if (![...before, ...after].some((rule) => changed.has(rule))) continue;
    const key = canonicalJson([before, after].map((rules) => rules.map((rule) => rule.key)));
    const entry = alike.get(key) ?? { before, after, namespaces: [] };
    entry.namespaces.push(namespace);
    alike.set(key, entry);
  }
  return [...alike.values()];
};

/** Splits the namespaces of a change by the clusters in which they could run instead. */
const splitByElsewhere = (
  change: RuleChange,
  namespaces: readonly NamespaceClass[],
  findElsewhere: FindElsewhere,
): readonly Pick<Effect, 'namespaces' | 'elsewhere'>[] => {
  const { usable, after } = change;
  if (usable?.length !== 0) return [{ namespaces: [...namespaces], elsewhere: null }];
  const found = namespaces.map((namespace) => ({ namespace, elsewhere: findElsewhere(namespace.example, after?.regions ?? []) }));
  return [...groupBy(found, ({ elsewhere }) => canonicalJson(elsewhere)).values()].map((same) => ({
    namespaces: same.map(({ namespace }) => namespace),
    elsewhere: [...(same[0]?.elsewhere ?? [])],
  }));
};

/** Most classes that are compared for all clusters together. Clusters beyond it are named. */
const MAX_ALL_CLASSES = 10 * MAX_CLASSES;

const TOO_MANY = 'the globs there tell too many namespaces apart, and not all are looked at';
const DEPENDS = 'whether regions stay allowed depends on the provider of the nodes, which no registration there names';

type PlacelessEffect = Omit<Effect, 'clusters'>;

/** Joins namespaces with the same effect. */
const joinNamespaces = (effects: readonly PlacelessEffect[]): readonly PlacelessEffect[] =>
  [...groupBy(effects, ({ namespaces: _each, ...effect }) => canonicalJson(effect)).values()].flatMap((same) =>
    same.slice(0, 1).map((effect) => ({
      ...effect,
      namespaces: same.flatMap(({ namespaces }) => namespaces).sort((left, right) => byText(left.pattern, right.pattern)),
    })),
  );

/** Effects in a group of clusters. */
const groupEffects = (group: ClusterGroup, alike: readonly GovernedAlike[], findElsewhere: FindElsewhere): readonly PlacelessEffect[] =>
  joinNamespaces(
    alike.flatMap(({ before, after, namespaces }) =>
      compareNamespace(before, after, group)
        .filter(isChange)
        .flatMap((change) => splitByElsewhere(change, namespaces, findElsewhere).map((part) => ({ ...part, ...change }))),
    ),
  );

/** Joins groups of clusters with the same effect, and sorts effects, breaking ones first. */
const joinClusters = (found: readonly { readonly clusters: readonly string[]; readonly effect: PlacelessEffect }[]): Effect[] => {
  const rank = ({ action }: Effect): number => FLOOR_ACTIONS.indexOf(action);
  const place = ({ clusters, namespaces }: Effect): string => `${clusters[0]} ${namespaces[0]?.pattern}`;
  return [...groupBy(found, ({ effect }) => canonicalJson(effect)).values()]
    .flatMap((same) =>
      same.slice(0, 1).map(({ effect }) => ({ clusters: same.flatMap(({ clusters }) => clusters).sort(byText), ...effect })),
    )
    .sort((left, right) => Number(right.breaks) - Number(left.breaks) || rank(left) - rank(right) || byText(place(left), place(right)));
};

/** Compares groups of clusters, up to {@link MAX_ALL_CLASSES}. */
const compareGroups = (groups: readonly ClusterGroup[], findElsewhere: FindElsewhere) => {
  const found: { clusters: readonly string[]; effect: PlacelessEffect }[] = [];
  const skipped: string[] = [];
  const dependent: string[] = [];
  const patterns: PatternDigest[] = [];
  let looked = 0;
  for (const group of groups) {
    const changed = changedRules(group);
    const all = patternsOf([...group.before.list.rules, ...group.after.list.rules]);
    const { classes, isWhole } =
      looked > MAX_ALL_CLASSES
        ? { classes: [], isWhole: changed.size === 0 }
        : namespaceClasses(
            [...changed].map(({ target }) => target),
            all,
          );
    if (!isWhole) skipped.push(...group.clusters);
    if (dependsOnProvider(group)) dependent.push(...group.clusters);
    looked += classes.length;
    const effects = groupEffects(group, governedAlike(group, classes, changed), findElsewhere);
    found.push(...effects.map((effect) => ({ clusters: group.clusters, effect })));
    if (effects.some(({ namespaces }) => namespaces.some(({ pattern }) => isPattern(pattern))))
      patterns.push({ clusters: [...group.clusters], digest: digestOfPatterns(all) });
  }
  const notLookedAt = [
    { clusters: skipped.sort(byText), reason: TOO_MANY },
    { clusters: dependent.sort(byText), reason: DEPENDS },
  ].filter(({ clusters }) => clusters.length > 0);
  return { found, notLookedAt, looked, patterns };
};

/** Effects of a change, and the digests by which plans are compared. */
export interface ComparedFleets {
  readonly effects: Effects;
  /** Digest of the policies and registrations of the fleet before. */
  readonly base: string;
  /** Digest of the policies and registrations that the change gives the clusters of its effects. */
  readonly after: string;
  /** Clusters whose policies change, including those that are not wanted, in no order. */
  readonly changed: readonly string[];
  readonly patterns: readonly PatternDigest[];
}

/**
 * Compares two fleets: what the change does to every possible pod of every possible namespace.
 * Pure. Pods whose affinity is too large for injection or for the decision are not considered.
 * Clusters with equal policies and regions are compared once, so the cost grows with the number of
 * different lists, the changed policies, and the globs.
 *
 * @param wanted names of clusters; undefined for all
 */
export const compareFleets = (before: FleetState, after: FleetState, wanted?: readonly string[]): ComparedFleets => {
  const [had, has] = [openFleet(before), openFleet(after)];
  const groups = groupClusters(had, has, wanted);
  const { found, notLookedAt, looked, patterns } = compareGroups(groups, createElsewhere(has));
  const policies = new Set(groups.flatMap((group) => [group.before, group.after].flatMap(({ list }) => list.rules.map(({ key }) => key))));
  const effects = {
    lookedAt: { clusters: groups.reduce((sum, { clusters }) => sum + clusters.length, 0), policies: policies.size, namespaces: looked },
    notLookedAt,
    effects: joinClusters(found),
  };
  return {
    effects,
    base: digestOfFleet(had),
    after: digestOfFleet(has, namedClusters(effects.effects, notLookedAt)),
    changed: changedClusters(had, has),
    patterns,
  };
};

/** Effects of a change, as {@link compareFleets} finds them. */
export const effectsOf = (before: FleetState, after: FleetState, wanted?: readonly string[]): Effects =>
  compareFleets(before, after, wanted).effects;
