import type { DenialGroup, DenialGrouping } from '@fso/shared/api';
import { useInfiniteQuery } from '@tanstack/react-query';
import { getRouteApi, Link } from '@tanstack/react-router';
import { denialGroupsQuery } from '../../../api/queries.ts';
import { Empty } from '../../../components/empty-states.tsx';
import { type Column, SearchableTable } from '../../../components/tables/data-table.tsx';
import { ownSort } from '../../../lib/filters.ts';
import { formatNumber } from '../../../lib/format.ts';

const route = getRouteApi('/shell/compliance/denials');

const TITLES: Readonly<Record<DenialGrouping, string>> = {
  policy: 'Policy',
  team: 'Team',
  cluster: 'Cluster',
  namespace: 'Namespace',
  owner: 'Owner',
  reason: 'Failing term',
};

/** Filters of the list that show what a group counts, and the key as people read it. */
const readKey = (by: DenialGrouping, key: string) => {
  if (by === 'policy' || by === 'cluster') return { search: { [by]: key }, text: key };
  if (by === 'team') return { search: undefined, text: key === '-' ? 'No team' : key };
  if (by === 'reason') return { search: undefined, text: key };
  const [cluster = '', namespace = '', kind = '', name = ''] = key.split('/');
  return by === 'namespace'
    ? { search: { cluster, namespace }, text: `${namespace} in ${cluster}` }
    : { search: { cluster, namespace, kind, name }, text: `${kind} ${namespace}/${name} in ${cluster}` };
};

const numberOf = (value: number | null): string => (value === null ? 'unknown' : formatNumber(value));

const columnsOf = (by: DenialGrouping): readonly Column<DenialGroup>[] => [
  {
    title: TITLES[by],
    sort: 'key',
    width: 40,
    cell: ({ key }) => {
      const { search, text } = readKey(by, key);
      return search === undefined ? (
        text
      ) : (
        <Link to="/compliance/denials" search={search}>
          {text}
        </Link>
      );
    },
  },
  ...(by === 'cluster'
    ? [
        { title: 'Refused pods per hour', sort: 'count', cell: ({ total }: DenialGroup) => numberOf(total) },
        { title: 'Of known owners', cell: ({ count }: DenialGroup) => numberOf(count) },
        { title: 'Without an owner', cell: ({ unnamed }: DenialGroup) => numberOf(unnamed) },
      ]
    : [{ title: 'Refused pods per hour', sort: 'count', cell: ({ count }: DenialGroup) => numberOf(count) }]),
  { title: 'Owners', sort: 'owners', cell: ({ owners }) => formatNumber(owners) },
  ...(by === 'policy' || by === 'team' || by === 'reason'
    ? [{ title: 'Clusters', cell: ({ clusters }: DenialGroup) => formatNumber(clusters) }]
    : []),
];

/** Denials added up. */
export const DenialGroups = ({ by }: { readonly by: DenialGrouping }) => {
  const { q, sort } = route.useSearch();
  const groupSort = ownSort(sort, ['count', 'owners', 'key'], '-count');
  const query = useInfiniteQuery(denialGroupsQuery({ by, q, sort: groupSort }));
  const title = TITLES[by].toLowerCase();
  return (
    <SearchableTable
      toolbar={{ search: `Search by ${title}` }}
      table={{
        label: `Denials by ${title}`,
        noun: [`${title} with denials`, `${title} groups with denials`],
        query,
        columns: columnsOf(by),
        rowKey: ({ key }) => key,
        sort: groupSort,
      }}
      values={{ q }}
      none={<Empty title="No known denials" />}
      noMatch="Nothing matches"
    />
  );
};
