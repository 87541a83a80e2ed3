import type { RiskGroup, RiskGrouping } from '@fso/shared/api';
import { useInfiniteQuery } from '@tanstack/react-query';
import { getRouteApi, Link } from '@tanstack/react-router';
import { riskGroupsQuery } from '../../../api/queries.ts';
import { Empty } from '../../../components/empty-states.tsx';
import { type Column, SearchableTable } from '../../../components/tables/data-table.tsx';
import { ownSort } from '../../../lib/filters.ts';
import { formatNumber } from '../../../lib/format.ts';
import { targetOfGroup } from '../group-target.ts';

const route = getRouteApi('/shell/compliance/risks');

const TITLES: Readonly<Record<RiskGrouping, string>> = { policy: 'Policy', cluster: 'Cluster', namespace: 'Namespace', owner: 'Owner' };

/** A key as people read it. */
const textOf = (by: RiskGrouping, key: string): string => {
  const { cluster = '', namespace, kind, name } = targetOfGroup(by, key);
  if (namespace === undefined) return key;
  return by === 'namespace' ? `${namespace} in ${cluster}` : `${kind} ${namespace}/${name} in ${cluster}`;
};

const columnsOf = (by: RiskGrouping): readonly Column<RiskGroup>[] => [
  {
    title: TITLES[by],
    sort: 'key',
    width: 40,
    cell: ({ key }) => (
      <Link to="/compliance/risks" search={targetOfGroup(by, key)}>
        {textOf(by, key)}
      </Link>
    ),
  },
  { title: 'Would be refused', sort: 'refused', cell: ({ refused }) => formatNumber(refused) },
  { title: 'Would stay pending', sort: 'pending', cell: ({ pending }) => formatNumber(pending) },
  { title: 'Listed', cell: ({ named }) => formatNumber(named) },
  ...(by === 'policy' ? [] : [{ title: 'Policies', cell: ({ policies }: RiskGroup) => formatNumber(policies) }]),
  ...(by === 'policy' ? [{ title: 'Clusters', cell: ({ clusters }: RiskGroup) => formatNumber(clusters) }] : []),
];

/** Owners at risk added up; the two classes stay apart. */
export const RiskGroups = ({ by }: { readonly by: RiskGrouping }) => {
  const { q, sort } = route.useSearch();
  const groupSort = ownSort(sort, ['refused', 'pending', 'key'], '-refused');
  const query = useInfiniteQuery(riskGroupsQuery({ by, q, sort: groupSort }));
  const title = TITLES[by].toLowerCase();
  return (
    <SearchableTable
      toolbar={{ search: `Search by ${title}` }}
      table={{
        label: `Owners at risk by ${title}`,
        noun: [`${title} with owners at risk`, `${title} groups with owners at risk`],
        query,
        columns: columnsOf(by),
        rowKey: ({ key }) => key,
        sort: groupSort,
      }}
      values={{ q }}
      none={<Empty title="No known risks" />}
      noMatch="Nothing matches"
    />
  );
};
