import { CONDITIONS, type DenialGroup, DenialGrouping, type DenialView } from '@fso/shared/api';
import { byText } from '@fso/shared/encoding';
import { weakMemo } from '@fso/shared/runtime';
import { z } from 'zod';
import type { ClusterRecord } from '../../../ledger/index.ts';
import { type ListInput, type Orders, sortParameter } from '../../http/paging.ts';
import { includesText, matches, paging, Search } from '../../http/parameters.ts';
import type { ClusterEntry } from '../cluster-entry.ts';
import type { Fleet } from '../fleet-index.ts';
import { isKnown } from '../phases.ts';
import { teamsOf } from '../teams.ts';
import { findingParameters, type Named, objectKey } from './findings.ts';

/** An owner whose pods were refused, with its key among all. */
export type NamedDenial = Named<DenialView>;

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

/** Whether not all denials of a cluster are known: it is away, not observed, or says so itself. */
export const areDenialsUnknown = ({ record }: ClusterEntry): boolean => !isKnown(record) || denialsKnownOf(record) !== 'True';

/** Status of the condition by which a cluster says whether its denials are known. */
export const denialsKnownOf = ({ report }: ClusterRecord) =>
  report?.conditions.find(({ type }) => type === CONDITIONS.denialsKnown)?.status;

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

export const denialOrders: Orders<NamedDenial, 'cluster' | 'namespace' | 'name' | 'count' | 'since' | 'last'> = {
  keyOf: ({ key }) => key,
  by: {
    cluster: ({ view }) => view.cluster,
    namespace: ({ view }) => view.namespace,
    name: ({ view }) => view.name,
    count: ({ view }) => view.count ?? -1,
    since: ({ view }) => view.since,
    last: ({ view }) => view.last,
  },
};

const EQUAL = ['cluster', 'namespace', 'kind', 'name'] as const;

export const matchesDenial = ({ view }: NamedDenial, query: DenialQuery): boolean =>
  EQUAL.every((field) => matches(query[field], view[field])) &&
  (query.policy === undefined || view.policies.includes(query.policy)) &&
  [view.name, view.namespace, view.cluster, ...view.policies].some((text) => includesText(text, query.q));

/** Parameters of the list of groups of denials. */
export const DenialGroupQuery = z.strictObject({
  by: DenialGrouping,
  q: Search.describe('Part of the key, upper and lower case alike.'),
  sort: sortParameter(['count', 'owners', 'key'], '-count'),
  ...paging,
});

const keysOf = (by: DenialGrouping, view: DenialView, teamOf: (policy: string) => string): readonly string[] => {
  const { cluster, namespace, policies, reason } = view;
  switch (by) {
    case 'policy':
      return policies;
    case 'team':
      return [...new Set(policies.map(teamOf))];
    case 'cluster':
      return [cluster];
    case 'namespace':
      return [`${cluster}/${namespace}`];
    case 'owner':
      return [objectKey(view)];
    case 'reason':
      return [reason];
  }
};

interface Group {
  count: number | null;
  owners: number;
  readonly clusters: Set<string>;
}

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
export const groupDenials = async (fleet: Fleet, by: DenialGrouping, { work, signal }: ListInput): Promise<DenialGroup[]> => {
  const groups = new Map<string, Group>();
  const at = (key: string): Group => {
    const group = groups.get(key) ?? { count: 0, owners: 0, clusters: new Set() };
    groups.set(key, group);
    return group;
  };
  const teamOf = teamsIn(fleet);
  // Before the first pause, after which the fleet is another one.
  const entries = new Map(fleet.members().map((entry) => [entry.record.name, entry]));
  if (by === 'cluster') for (const [name, entry] of entries) if ((countedIn(entry)?.pods ?? 0) > 0) at(name).clusters.add(name);
  const add = ({ view }: NamedDenial): void => {
    for (const key of keysOf(by, view, teamOf)) {
      const group = at(key);
      group.count = group.count === null || view.count === undefined ? null : group.count + view.count;
      group.owners += 1;
      group.clusters.add(view.cluster);
    }
  };
  await work.each(namedDenials(fleet), add, signal);
  return [...groups].map(([key, { count, owners, clusters }]) => ({
    key,
    count,
    owners,
    clusters: clusters.size,
    ...NO_TOTAL,
    ...(by === 'cluster' && totalIn(entries.get(key))),
  }));
};

export const denialGroupOrders: Orders<DenialGroup, 'count' | 'owners' | 'key'> = {
  keyOf: ({ key }) => key,
  by: { count: ({ count, total }) => total ?? count ?? -1, owners: ({ owners }) => owners, key: ({ key }) => key },
};
