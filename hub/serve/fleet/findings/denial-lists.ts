import { type DenialGroup, DenialGrouping, type DenialView } from '@fso/shared/api';
import { byText } from '@fso/shared/encoding';
import { weakMemo } from '@fso/shared/runtime';
import { z } from 'zod';
import { type ClusterRecord, teamsOf } from '../../../ledger/index.ts';
import { type ListInput, type Orders, sortParameter } from '../../http/paging.ts';
import { paging, Search } from '../../http/parameters.ts';
import type { ClusterEntry } from '../cluster-entry.ts';
import type { Fleet } from '../fleet-index.ts';
import { isKnown } from '../phases.ts';
import { findingParameters, GROUP_KEYS, groupFindings, matchesFinding, type NamedFinding, objectKey, objectOrders } from './findings.ts';

/** An owner whose pods were refused, with its key among all. */
export type NamedDenial = NamedFinding<DenialView>;

/** Owners that a cluster names, by namespace, kind and name. */
const denialsIn = weakMemo((record: ClusterRecord): readonly NamedDenial[] => {
  const fresh = isKnown(record);
  return (record.report?.denials?.denials ?? [])
    .map((denial) => ({ ...denial, cluster: record.name, fresh }))
    .map((view) => ({ key: objectKey(view), view }))
    .sort((a, b) => byText(a.key, b.key));
});

/** Owners whose pods were refused, by cluster, namespace, kind and name. */
export const namedDenials = (fleet: Fleet): readonly NamedDenial[] => fleet.members().flatMap(({ record }) => denialsIn(record));

/** Denials in the numbers of a cluster; undefined: they are not known now. */
export const countedIn = ({ record }: ClusterEntry) => (isKnown(record) ? record.report?.denials : undefined);

/** Parameters of the list of denials. */
export const DenialQuery = z.strictObject({
  ...findingParameters('owner', 'Of the owner: Deployment, CronJob, …'),
  q: Search.describe('Part of the name of the owner, its namespace, cluster or policies, upper and lower case alike.'),
  sort: sortParameter(['cluster', 'namespace', 'name', 'count', 'since', 'last']),
  ...paging,
});
export type DenialQuery = z.output<typeof DenialQuery>;

/** Sort keys of the list of denials, by the value of the parameter `sort`. */
export const denialOrders: Orders<NamedDenial, 'cluster' | 'namespace' | 'name' | 'count' | 'since' | 'last'> = {
  ...objectOrders,
  by: {
    ...objectOrders.by,
    count: ({ view }) => view.count ?? -1,
    since: ({ view }) => view.since,
    last: ({ view }) => view.last,
  },
};

/** Whether a denial passes the filters of a query. */
export const matchesDenial = ({ view }: NamedDenial, query: DenialQuery): boolean => matchesFinding(view, query);

/** Parameters of the list of groups of denials. */
export const DenialGroupQuery = z.strictObject({
  by: DenialGrouping,
  q: Search.describe('Part of the key, upper and lower case alike.'),
  sort: sortParameter(['count', 'owners', 'key'], '-count'),
  ...paging,
});

interface Sum {
  /** null: that of one owner is not known. */
  count: number | null;
  owners: number;
}

const add = (sum: Sum, { count }: DenialView): void => {
  sum.count = sum.count === null || count === undefined ? null : sum.count + count;
  sum.owners += 1;
};

/** Teams by the policies of the commit in force; `-`: none is named. */
const teamsIn = (fleet: Fleet): ((policy: string) => string) => {
  const desired = fleet.desired();
  const teams = desired === null ? undefined : teamsOf(desired);
  return (policy) => teams?.get(policy) ?? '-';
};

/**
 * Totals of a cluster, which no other group has: the API server counts no owners. They are of all
 * owners, of which the cluster names some.
 */
const totalIn = (entry: ClusterEntry | undefined): Partial<DenialGroup> => {
  const counted = entry && countedIn(entry);
  if (counted === undefined || counted.pods === null) return {};
  const { pods, named, owners } = counted;
  return { count: named, owners, total: pods, unnamed: Math.max(0, pods - named) };
};

const NO_TOTAL = { total: null, unnamed: null };

/** Denials added up, in no order. @throws the signal's reason */
export const groupDenials = async (fleet: Fleet, by: DenialGrouping, input: ListInput): Promise<DenialGroup[]> => {
  const teamOf = teamsIn(fleet);
  const keysOf: Readonly<Record<DenialGrouping, (view: DenialView) => readonly string[]>> = {
    ...GROUP_KEYS,
    team: ({ policies }) => [...new Set(policies.map(teamOf))],
    owner: (view) => [objectKey(view)],
    reason: ({ reason }) => [reason],
  };
  // Before the first pause, after which the fleet is another one.
  const entries = new Map(fleet.members().map((entry) => [entry.record.name, entry]));
  const counted = by === 'cluster' ? [...entries].filter(([, entry]) => (countedIn(entry)?.pods ?? 0) > 0) : [];
  const empty = (): Sum => ({ count: 0, owners: 0 });
  const keys = counted.map(([name]) => name);
  const groups = await groupFindings(namedDenials(fleet), { keys, keysOf: keysOf[by], empty, add }, input);
  return groups.map(({ key, sum, clusters }) => ({
    key,
    ...sum,
    clusters: by === 'cluster' ? 1 : clusters.size,
    ...NO_TOTAL,
    ...(by === 'cluster' && totalIn(entries.get(key))),
  }));
};

/** Orders of the groups of denials, by the name of `sort`. */
export const denialGroupOrders: Orders<DenialGroup, 'count' | 'owners' | 'key'> = {
  keyOf: ({ key }) => key,
  by: { count: ({ count, total }) => total ?? count ?? -1, owners: ({ owners }) => owners, key: ({ key }) => key },
};
