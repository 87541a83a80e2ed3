import { RiskClass, type RiskCounts, type RiskGroup, RiskGrouping, type RiskView } from '@fso/shared/api';
import { z } from 'zod';
import { namedIn } from '../../../ledger/index.ts';
import { type ListInput, type Orders, sortParameter } from '../../http/paging.ts';
import { matches, paging, Search } from '../../http/parameters.ts';
import { addRisks, type NamedRisk, NO_RISKS } from '../cluster-entry.ts';
import type { Fleet } from '../fleet-index.ts';
import { findingOrders, findingParameters, GROUP_KEYS, groupFindings, matchesFinding, objectKey } from './findings.ts';

/** Parameters of the list of risks. */
export const RiskQuery = z.strictObject({
  risk: RiskClass.optional(),
  ...findingParameters('owner', 'Of the owner: Deployment, CronJob, …'),
  q: Search.describe('Part of the name of the owner, its namespace, cluster or policy, upper and lower case alike.'),
  sort: sortParameter(['cluster', 'policy', 'namespace', 'name', 'risk']),
  ...paging,
});
export type RiskQuery = z.output<typeof RiskQuery>;

/** Sort orders of the list of risks, by the name in `sort`. */
export const riskOrders: Orders<NamedRisk, 'cluster' | 'policy' | 'namespace' | 'name' | 'risk'> = {
  ...findingOrders,
  by: { ...findingOrders.by, risk: ({ view }) => view.risk },
};

/** Whether a risk matches the filters of a query. */
export const matchesRisk = ({ view }: NamedRisk, query: RiskQuery): boolean =>
  matches(query.risk, view.risk) && matchesFinding(view, query);

/** Parameters of the list of groups of risks. */
export const RiskGroupQuery = z.strictObject({
  by: RiskGrouping,
  q: Search.describe('Part of the key, upper and lower case alike.'),
  sort: sortParameter(['refused', 'pending', 'key'], '-refused'),
  ...paging,
});

const KEYS: Readonly<Record<RiskGrouping, (view: RiskView) => readonly string[]>> = {
  ...GROUP_KEYS,
  owner: (view) => [objectKey(view)],
};

/** Yields the counts of agents, which include owners that are not reported by name. */
function* countsOf(fleet: Fleet, by: RiskGrouping): Generator<readonly [key: string, risks: RiskCounts | undefined]> {
  const atRisk = fleet.members().filter(({ risks }) => risks.refused + risks.pending > 0);
  if (by === 'cluster') for (const { record, risks } of atRisk) yield [record.name, risks];
  if (by !== 'policy') return;
  for (const { record } of atRisk) for (const [policy, { risks }] of namedIn(record.policies)) yield [policy, risks];
}

/** Sums owners at risk by group, in no order. @throws the signal's reason */
export const groupRisks = async (fleet: Fleet, by: RiskGrouping, input: ListInput): Promise<RiskGroup[]> => {
  // Read before the first pause: after it the index may have changed.
  const counted = new Map<string, RiskCounts>();
  for (const [key, risks] of countsOf(fleet, by)) if (risks !== undefined) counted.set(key, addRisks(counted.get(key) ?? NO_RISKS, risks));
  const grouping = {
    keys: counted.keys(),
    keysOf: KEYS[by],
    // Counted by object, because an owner may violate several policies.
    empty: () => new Map<string, RiskView['risk']>(),
    add: (owners: Map<string, RiskView['risk']>, view: RiskView) => void owners.set(objectKey(view), view.risk),
  };
  const groups = await groupFindings(fleet.risks(), grouping, input);
  return groups.map(({ key, sum: owners, policies, clusters }) => {
    const refused = [...owners.values()].filter((risk) => risk === 'Refused').length;
    const counts = counted.get(key) ?? { refused, pending: owners.size - refused };
    return { key, ...counts, named: owners.size, policies: policies.size, clusters: clusters.size };
  });
};

/** Sort orders of the groups of risks, by the name in `sort`. */
export const riskGroupOrders: Orders<RiskGroup, 'refused' | 'pending' | 'key'> = {
  keyOf: ({ key }) => key,
  by: { refused: ({ refused }) => refused, pending: ({ pending }) => pending, key: ({ key }) => key },
};
