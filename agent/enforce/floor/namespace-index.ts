import {
  FLOOR_PARAMETER_BYTES,
  FLOOR_PARAMETER_LIMITS,
  type FloorParameters,
  type FloorParametersSpec,
  LIST_KEY_PREFIX,
} from '@fso/shared/api';
import { own, weakMemo, weakMemo2 } from '@fso/shared/runtime';
import { covers, isSame, sortedSet } from '../../compare.ts';
import { annotationList, firstThatFit } from '../labels.ts';
import { isTenantsKey } from '../tenants.ts';
import type { ActionGovernance, Governance, NamespaceGovernance } from '../types.ts';
import { keepFitting, textOf } from './entry-limit.ts';
import { CANARY_GOVERNANCE } from './index-canary.ts';
import type { NodeList } from './node-list.ts';

/** Parts of the governance that the index is built from. */
export type IndexedGovernance = Pick<Governance, 'namespaces' | 'awaited' | 'globs'>;

type Entries = NonNullable<FloorParametersSpec['namespaces']>;
/** Regions and policies of one namespace in the index. */
export type Entry = Entries[string];

type Lists = NonNullable<FloorParametersSpec['lists']>;

/**
 * Content of `fso-namespaces`: the rules of namespaces as lock 1 knows them without their labels.
 */
export interface Index {
  readonly namespaces: Entries;
  readonly lists: Lists;
  readonly patterns: NonNullable<FloorParametersSpec['patterns']>;
  readonly reach: string;
}

/**
 * Empty index. It is written in full, as a field that an apply does not name keeps others' value.
 */
export const NO_INDEX: Index = { namespaces: {}, lists: {}, patterns: [], reach: '' };

/** Whether FloorParameters of the cluster hold the desired index. */
export const hasIndex = weakMemo2(
  ({ spec }: FloorParameters, wanted: Index): boolean =>
    sameEntries(spec?.namespaces ?? {}, wanted.namespaces) &&
    isSame(spec?.lists, wanted.lists) &&
    covers(spec?.patterns, wanted.patterns) &&
    (spec?.reach ?? '') === wanted.reach,
);

const sameEntries = (a: Entries, b: Entries): boolean => {
  const names = Object.keys(b);
  return names.length === Object.keys(a).length && names.every((name) => sameEntry(own(a, name), b[name]));
};

const sameEntry = (a: Entry | undefined, b: Entry | undefined): boolean =>
  a?.regions === b?.regions && a?.policies === b?.policies && a?.revisions === b?.revisions;

/** Builds the index of a governance, to be stored together with the nodes. Memoized by identity. */
export const indexOf = weakMemo2((governance: IndexedGovernance, nodes: NodeList) => {
  const entries = [...governance.namespaces, ...governance.awaited].flatMap(([, governed]) => entriesOf(governed));
  const { shared = [], own = [] } = Object.groupBy(entries, ({ isOwn }) => (isOwn ? 'own' : 'shared'));
  const globs = governance.globs.map(({ pattern, excluded, policies }) => ({
    pattern,
    excluded: [...excluded],
    policies: firstThatFit(policies),
  }));
  const patterns = keepFitting(globs, FLOOR_PARAMETER_LIMITS.patterns, FLOOR_PARAMETER_BYTES.patterns);
  const canary = entriesOf(CANARY_GOVERNANCE).map(pairOf);
  const room = FLOOR_PARAMETER_BYTES.index - nodes.bytes - patterns.bytes - textOf(canary).length;
  const { lists, pairs, bytes } = listedOnce({ shared: shared.map(pairOf), own: own.map(pairOf) }, room);
  const first = keepFitting(pairs.shared, FLOOR_PARAMETER_LIMITS.namespaces, room - bytes);
  // Namespaces governed only by their own policies come last, whatever their names: no deny glob
  // matches such a namespace.
  const second = keepFitting(pairs.own, FLOOR_PARAMETER_LIMITS.namespaces - first.kept.length, room - bytes - first.bytes);
  // If namespaces are left out, so are all globs: they would treat those namespaces as unseen.
  const some = first.dropped > 0 ? [] : patterns.kept;
  const spec: Index = {
    namespaces: Object.fromEntries([...canary, ...first.kept, ...second.kept]),
    lists,
    patterns: [...some],
    reach: reachOf(some),
  };
  return { spec, dropped: { namespaces: first.dropped + second.dropped, patterns: globs.length - some.length } };
});

interface Pairs {
  readonly shared: readonly NamedEntry['pair'][];
  readonly own: readonly NamedEntry['pair'][];
}

/**
 * Moves region lists that several entries share into `lists`, if the entries do not fit otherwise.
 * A list used only by namespaces' own policies stays in the entry: their users could add many.
 */
const listedOnce = (pairs: Pairs, room: number): { readonly lists: Lists; readonly pairs: Pairs; readonly bytes: number } => {
  const all = [...pairs.shared, ...pairs.own];
  const whole = all.reduce((sum, pair) => sum + textOf(pair).length + 1, 0);
  if (whole <= room) return { lists: {}, pairs, bytes: 0 };
  const uses = new Map<string, number>();
  for (const [, { regions }] of pairs.shared) uses.set(regions, (uses.get(regions) ?? 0) + 1);
  const repeated = [...uses].filter(([regions, count]) => count > 1 && regions.includes(',')).map(([regions]) => regions);
  const keys = new Map(sortedSet(repeated).map((regions, at) => [regions, `${LIST_KEY_PREFIX}${at}`]));
  const shorten = ([name, entry]: NamedEntry['pair']): NamedEntry['pair'] => {
    const key = keys.get(entry.regions);
    return [name, key === undefined ? entry : { ...entry, regions: key }];
  };
  const lists = Object.fromEntries([...keys].map(([regions, key]) => [key, regions]));
  return { lists, pairs: { shared: pairs.shared.map(shorten), own: pairs.own.map(shorten) }, bytes: textOf(lists).length };
};

/**
 * Builds the regular expression of all globs. A glob has `*` only at its start or end, and no other
 * special character.
 */
const reachOf = (patterns: readonly { readonly pattern: string }[]): string =>
  patterns.length === 0 ? '' : `${REACH_START}${sortedSet(patterns.map(({ pattern }) => expressionOf(pattern))).join('|')}${REACH_END}`;

const [REACH_START, REACH_END] = ['^(?:', ')$'];

const expressionOf = (pattern: string): string => pattern.replaceAll('*', '.*');

/** Whether the expression of an index matches everything that a glob matches. */
export const reaches = (reach: string | undefined, pattern: string): boolean =>
  reach?.slice(REACH_START.length, -REACH_END.length).split('|').includes(expressionOf(pattern)) === true;

interface NamedEntry {
  readonly pair: readonly [name: string, entry: Entry];
  /** Whether all policies of the entry are the namespace's own. */
  readonly isOwn: boolean;
}

const pairOf = ({ pair }: NamedEntry): NamedEntry['pair'] => pair;

const entriesOf = weakMemo(({ namespace, actions: { deny } }: NamespaceGovernance): readonly NamedEntry[] =>
  deny === undefined ? [] : [entryOf(namespace, deny)],
);

/** Bytes for the names of a namespace's own policies. */
const MAX_OWN_BYTES = 300;

/** Builds an entry. Policies and revisions are in the same order, foreign policies first. */
const entryOf = (namespace: string, { regions, policies, revisions }: ActionGovernance): NamedEntry => {
  const all = policies.map((policy, index) => ({ policy, revision: revisions[index] ?? '-', isOwn: isTenantsKey(policy, namespace) }));
  const others = all.filter(({ isOwn }) => !isOwn);
  const own = all.filter(({ isOwn }) => isOwn);
  const listed = [...others, ...firstWithin(own, MAX_OWN_BYTES)];
  const entry = {
    regions: annotationList(regions),
    policies: firstThatFit(listed.map(({ policy }) => policy)),
    revisions: firstThatFit(listed.map(({ revision }) => revision)),
  };
  return { pair: [namespace, entry], isOwn: others.length === 0 };
};

/** Returns the first items that fit, but at least one, as a refusal has to name a policy. */
const firstWithin = <T extends { readonly policy: string }>(items: readonly T[], bytes: number): readonly T[] => {
  let left = bytes;
  const end = items.findIndex(({ policy }, index) => {
    left -= policy.length + 1;
    return index > 0 && left < 0;
  });
  return end === -1 ? items : items.slice(0, end);
};
