import { NamespaceName, ResourceName, RiskClass, type RiskCounts, type RiskGroup, RiskGrouping, type RiskView } from '@fso/shared/api';
import { z } from 'zod';
import { namedIn } from '../../../ledger/index.ts';
import { type ListInput, type Orders, sortParameter } from '../../http/paging.ts';
import { includesText, matches, PolicyName, paging, Search } from '../../http/parameters.ts';
import { addRisks, type NamedRisk, NO_RISKS } from '../cluster-entry.ts';
import type { Fleet } from '../fleet-index.ts';

/** Parameters of the list of risks. */
export const RiskQuery = z.strictObject({
  risk: RiskClass.optional(),
  cluster: ResourceName.optional(),
  policy: PolicyName,
  namespace: NamespaceName.optional(),
  kind: z.string().min(1).max(63).optional().describe('Of the owner: Deployment, CronJob, …'),
  name: z.string().min(1).max(253).optional().describe('Of the owner.'),
  q: Search.describe('Part of the name of the owner, its namespace, cluster or policy, upper and lower case alike.'),
  sort: sortParameter(['cluster', 'policy', 'namespace', 'name', 'risk']),
  ...paging,
});
export type RiskQuery = z.output<typeof RiskQuery>;

export const riskOrders: Orders<NamedRisk, 'cluster' | 'policy' | 'namespace' | 'name' | 'risk'> = {
  keyOf: ({ key }) => key,
  by: {
    cluster: ({ view }) => view.cluster,
    policy: ({ view }) => view.policy,
    namespace: ({ view }) => view.namespace,
    name: ({ view }) => view.name,
    risk: ({ view }) => view.risk,
  },
};

const EQUAL = ['risk', 'cluster', 'policy', 'namespace', 'kind', 'name'] as const;

export const matchesRisk = ({ view }: NamedRisk, query: RiskQuery): boolean =>
  EQUAL.every((field) => matches(query[field], view[field])) &&
  [view.name, view.namespace, view.cluster, view.policy].some((text) => includesText(text, query.q));

/** Parameters of the list of groups of risks. */
export const RiskGroupQuery = z.strictObject({
  by: RiskGrouping,
  q: Search.describe('Part of the key, upper and lower case alike.'),
  sort: sortParameter(['refused', 'pending', 'key'], '-refused'),
  ...paging,
});

const KEYS: Readonly<Record<RiskGrouping, (view: RiskView) => string>> = {
  policy: ({ policy }) => policy,
  cluster: ({ cluster }) => cluster,
  namespace: ({ cluster, namespace }) => `${cluster}/${namespace}`,
  owner: ({ cluster, namespace, kind, name }) => `${cluster}/${namespace}/${kind}/${name}`,
};

/** Yields the counts of agents, which include owners that they do not name. */
function* countedBy(fleet: Fleet, by: RiskGrouping): Generator<readonly [key: string, risks: RiskCounts]> {
  const atRisk = fleet.members().filter(({ risks }) => risks.refused + risks.pending > 0);
  if (by === 'cluster') for (const { record, risks } of atRisk) yield [record.name, risks];
  if (by !== 'policy') return;
  for (const { record } of atRisk)
    for (const [policy, { risks }] of namedIn(record.policies)) if (risks !== undefined) yield [policy, risks];
}

interface Group {
  counts: RiskCounts;
  /** Owners by their name: one may break the rules of several policies. */
  readonly owners: Map<string, RiskView['risk']>;
  readonly policies: Set<string>;
  readonly clusters: Set<string>;
}

const emptyGroup = (): Group => ({ counts: NO_RISKS, owners: new Map(), policies: new Set(), clusters: new Set() });

const countsOf = ({ owners }: Group): RiskCounts => {
  const refused = [...owners.values()].filter((risk) => risk === 'Refused').length;
  return { refused, pending: owners.size - refused };
};

/** Owners at risk added up by where they are, in no order. @throws the signal's reason */
export const groupRisks = async (fleet: Fleet, by: RiskGrouping, { work, signal }: ListInput): Promise<RiskGroup[]> => {
  const groups = new Map<string, Group>();
  const at = (key: string): Group => {
    const group = groups.get(key) ?? emptyGroup();
    groups.set(key, group);
    return group;
  };
  const risks = fleet.risks();
  // Before the first pause, after which the fleet is another one.
  for (const [key, counts] of countedBy(fleet, by)) {
    const group = at(key);
    group.counts = addRisks(group.counts, counts);
  }
  const add = ({ view }: NamedRisk): void => {
    const group = at(KEYS[by](view));
    group.owners.set(KEYS.owner(view), view.risk);
    group.policies.add(view.policy);
    group.clusters.add(view.cluster);
  };
  await work.each(risks, add, signal);
  return [...groups].map(([key, group]) => {
    const { refused, pending } = by === 'policy' || by === 'cluster' ? group.counts : countsOf(group);
    return { key, refused, pending, named: group.owners.size, policies: group.policies.size, clusters: group.clusters.size };
  });
};

export const riskGroupOrders: Orders<RiskGroup, 'refused' | 'pending' | 'key'> = {
  keyOf: ({ key }) => key,
  by: { refused: ({ refused }) => refused, pending: ({ pending }) => pending, key: ({ key }) => key },
};
