import type { RiskGroup, RiskGrouping } from '@fso/shared/api';
import { Alert, Content } from '@patternfly/react-core';
import { useInfiniteQuery, useQuery } from '@tanstack/react-query';
import { getRouteApi, Link } from '@tanstack/react-router';
import { riskGroupsQuery, statusQuery } from '../../../api/queries.ts';
import { Empty } from '../../../components/empty-states.tsx';
import { type Column, SearchableTable } from '../../../components/tables/data-table.tsx';
import { ownSort } from '../../../lib/filters.ts';
import { count, formatNumber } from '../../../lib/format.ts';
import { ComplianceFrame, Downloads, Groupings } from '../compliance-frame.tsx';
import { targetOfGroup } from '../group-target.ts';
import { RisksList } from './risks-list.tsx';

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
const RiskGroups = ({ by }: { readonly by: RiskGrouping }) => {
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

const route = getRouteApi('/shell/compliance/risks');

const WORDS: Readonly<Record<RiskGrouping, string>> = {
  policy: 'By policy',
  cluster: 'By cluster',
  namespace: 'By namespace',
  owner: 'By owner',
};

/** Clusters of which not all is known never look like ones without risks. */
const UnknownClusters = () => {
  const { data: unknown = 0 } = useQuery({ ...statusQuery, select: ({ clusters }) => clusters.risksUnknown });
  if (unknown === 0) return null;
  return (
    <Alert isInline variant="warning" component="p" title={`Not all is known of ${count(unknown, 'cluster', 'clusters')}`}>
      Agents are away, or do not judge the next pods of all owners: the condition RisksKnown on the page of a cluster says why. The
      downloads name these clusters.
    </Alert>
  );
};

/** Owners whose next pods would be refused or stay pending. */
export const RisksPage = () => {
  const { by } = route.useSearch();
  const navigate = route.useNavigate();
  const choose = (grouping: RiskGrouping | undefined): void =>
    void navigate({ search: (old) => ({ ...old, by: grouping, q: undefined, sort: undefined }) });
  return (
    <ComplianceFrame description="Owners whose next pods would be refused by the locks, or would stay pending, with the line that mends each.">
      <div className="fso-stack">
        <Content component="p" className="fso-muted">
          Nothing of it has stopped: it is what a restart or a drained node would bring. Pending means that no node inside satisfies node
          selector, node affinity and tolerations; capacity and volumes are not looked at.
        </Content>
        <UnknownClusters />
        <Downloads path="/api/v1/reports/risks" />
      </div>
      <Groupings label="How risks are shown" all="All owners" texts={WORDS} by={by} onChoose={choose} />
      {by === undefined ? <RisksList /> : <RiskGroups key={by} by={by} />}
    </ComplianceFrame>
  );
};
