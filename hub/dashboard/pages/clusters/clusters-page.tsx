import type { ClusterView } from '@fso/shared/api';
import { PageSection } from '@patternfly/react-core';
import { useInfiniteQuery } from '@tanstack/react-query';
import { getRouteApi, Link } from '@tanstack/react-router';
import { clustersQuery } from '../../api/queries.ts';
import { type Column, DataTable } from '../../components/data-table.tsx';
import { PageHeader } from '../../components/page-header.tsx';
import { RelativeTime } from '../../components/relative-time.tsx';
import { RevisionLink } from '../../components/revision-link.tsx';
import { SearchToolbar, type Values } from '../../components/search-toolbar.tsx';
import { ConnectionLabel } from '../../components/state-label.tsx';
import { Empty } from '../../components/states.tsx';

const route = getRouteApi('/shell/clusters');

const COLUMNS: readonly Column<ClusterView>[] = [
  {
    title: 'Cluster',
    width: 25,
    cell: ({ name }) => (
      <Link to="/clusters/$name" params={{ name }}>
        {name}
      </Link>
    ),
  },
  { title: 'Connection', cell: ({ connection }) => <ConnectionLabel connection={connection} /> },
  { title: 'Last seen', cell: ({ lastSeen }) => <RelativeTime time={lastSeen} /> },
  { title: 'Revision', cell: ({ revision }) => <RevisionLink revision={revision} /> },
  { title: 'Violations', cell: ({ violations }) => violations.toLocaleString() },
];

export const ClustersPage = () => {
  const search = route.useSearch();
  const navigate = route.useNavigate();
  const query = useInfiniteQuery(clustersQuery(search));
  const change = (changed: Values): void => void navigate({ search: (old) => ({ ...old, ...changed }), replace: true });
  return (
    <>
      <PageHeader title="Clusters" description="Which clusters are connected, and how old is what is known of each?" />
      <PageSection hasBodyWrapper={false} isFilled>
        <SearchToolbar search="Search clusters" values={search} onChange={change} />
        <DataTable
          label="Clusters"
          noun={['cluster', 'clusters']}
          query={query}
          columns={COLUMNS}
          rowKey={({ name }) => name}
          empty={<Empty title="No clusters">None match, or none is registered yet: fso clusters add.</Empty>}
        />
      </PageSection>
    </>
  );
};
