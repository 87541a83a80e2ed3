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

/** Owner whose pods were refused, with a unique key. */
export type NamedDenial = NamedFinding<DenialView>;

/** Returns the owners that a cluster reports by name, by namespace, kind and name. */
const denialsIn = weakMemo((record: ClusterRecord): readonly NamedDenial[] => {
  const fresh = isKnown(record);
  return (record.report?.denials?.denials ?? [])
    .map((denial) => ({ ...denial, cluster: record.name, fresh }))
    .map((view) => ({ key: objectKey(view), view }))
    .sort((a, b) => byText(a.key, b.key));
});

/** Returns the owners whose pods were refused, by cluster, namespace, kind and name. */
export const namedDenials = (fleet: Fleet): readonly NamedDenial[] => fleet.members().flatMap(({ record }) => denialsIn(record));

/** Denial counts of a cluster; undefined: currently unknown. */
export const countedIn = ({ record }: ClusterEntry) => (isKnown(record) ? record.report?.denials : undefined);

/** Parameters of the list of denials. */
export const DenialQuery = z.strictObject({
  ...findingParameters('owner', 'Of the owner: Deployment, CronJob, …'),
  q: Search.describe('Part of the name of the owner, its namespace, cluster or policies, upper and lower case alike.'),
  sort: sortParameter(['cluster', 'namespace', 'name', 'count', 'since', 'last']),
  ...paging,
});
export type DenialQuery = z.output<typeof DenialQuery>;

/** Sort orders of the list of denials, by the name in `sort`. */
export const denialOrders: Orders<NamedDenial, 'cluster' | 'namespace' | 'name' | 'count' | 'since' | 'last'> = {
  ...objectOrders,
  by: {
    ...objectOrders.by,
    count: ({ view }) => view.count ?? -1,
    since: ({ view }) => view.since,
    last: ({ view }) => view.last,
  },
};

/** Whether a denial matches the filters of a query. */
export const matchesDenial = ({ view }: NamedDenial, query: DenialQuery): boolean => matchesFinding(view, query);

/** Parameters of the list of groups of denials. */
export const DenialGroupQuery = z.strictObject({
  by: DenialGrouping,
  q: Search.describe('Part of the key, upper and lower case alike.'),
  sort: sortParameter(['count', 'owners', 'key'], '-count'),
  ...paging,
});

interface Sum {
  /** null: the count of an owner is unknown. */
  count: number | null;
  owners: number;
}

const add = (sum: Sum, { count }: DenialView): void => {
  sum.count = sum.count === null || count === undefined ? null : sum.count + count;
  sum.owners += 1;
};

/** Returns the team of a policy in the current commit; `-` if it has none. */
const teamsIn = (fleet: Fleet): ((policy: string) => string) => {
  const desired = fleet.desired();
  const teams = desired === null ? undefined : teamsOf(desired);
  return (policy) => teams?.get(policy) ?? '-';
};

/**
 * Totals of a cluster. Other groups have none, because the API server does not count by owner. They
 * include owners that are not reported by name.
 */
const totalIn = (entry: ClusterEntry | undefined): Partial<DenialGroup> => {
  const counted = entry && countedIn(entry);
  if (counted === undefined || counted.pods === null) return {};
  const { pods, named, owners } = counted;
  return { count: named, owners, total: pods, unnamed: Math.max(0, pods - named) };
};

const NO_TOTAL = { total: null, unnamed: null };

/** Sums denials by group, in no order. @throws the signal's reason */
export const groupDenials = async (fleet: Fleet, by: DenialGrouping, input: ListInput): Promise<DenialGroup[]> => {
  const teamOf = teamsIn(fleet);
  const keysOf: Readonly<Record<DenialGrouping, (view: DenialView) => readonly string[]>> = {
    ...GROUP_KEYS,
    team: ({ policies }) => [...new Set(policies.map(teamOf))],
    owner: (view) => [objectKey(view)],
    reason: ({ reason }) => [reason],
  };
  // Read before the first pause: after it the index may have changed.
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

/** Sort orders of the groups of denials, by the name in `sort`. */
export const denialGroupOrders: Orders<DenialGroup, 'count' | 'owners' | 'key'> = {
  keyOf: ({ key }) => key,
  by: { count: ({ count, total }) => total ?? count ?? -1, owners: ({ owners }) => owners, key: ({ key }) => key },
};
