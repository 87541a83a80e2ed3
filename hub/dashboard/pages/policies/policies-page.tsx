import type { PolicySummary } from '@fso/shared/api';
import { PageSection } from '@patternfly/react-core';
import { useInfiniteQuery } from '@tanstack/react-query';
import { getRouteApi, Link } from '@tanstack/react-router';
import { policiesQuery } from '../../api/queries.ts';
import { type Column, DataTable } from '../../components/data-table.tsx';
import { PageHeader } from '../../components/page-header.tsx';
import { RelativeTime } from '../../components/relative-time.tsx';
import { type Filter, SearchToolbar, type Values } from '../../components/search-toolbar.tsx';
import { ActionLabel, PhaseLabel } from '../../components/state-label.tsx';
import { Empty } from '../../components/states.tsx';

const route = getRouteApi('/shell/policies');

const FILTERS: readonly Filter[] = [
  { name: 'phase', label: 'Phase', options: ['Active', 'Pending', 'Failed', 'Expired'].map((value) => ({ value, text: value })) },
];

const COLUMNS: readonly Column<PolicySummary>[] = [
  {
    title: 'Policy',
    sort: 'name',
    width: 25,
    cell: ({ namespace, name }) => (
      <Link to="/policies/$namespace/$name" params={{ namespace, name }}>
        {name}
      </Link>
    ),
  },
  { title: 'Target', sort: 'target', cell: ({ targetNamespace }) => targetNamespace },
  { title: 'Phase', sort: 'phase', cell: ({ phase }) => <PhaseLabel phase={phase} /> },
  { title: 'Action', cell: ({ enforcementAction }) => <ActionLabel action={enforcementAction} /> },
  { title: 'Violations', sort: 'violations', cell: ({ violations }) => violations.toLocaleString() },
  { title: 'Updated', sort: 'updated', cell: ({ lastUpdated }) => <RelativeTime time={lastUpdated} /> },
];

export const PoliciesPage = () => {
  const search = route.useSearch();
  const navigate = route.useNavigate();
  const query = useInfiniteQuery(policiesQuery(search));
  const change = (changed: Values): void => void navigate({ search: (old) => ({ ...old, ...changed }) as typeof old, replace: true });
  return (
    <>
      <PageHeader title="Policies" description="Who is governed by what, and does every cluster enforce it?" />
      <PageSection hasBodyWrapper={false} isFilled>
        <SearchToolbar search="Search policies" filters={FILTERS} values={search} onChange={change} />
        <DataTable
          label="Policies"
          noun={['policy', 'policies']}
          query={query}
          columns={COLUMNS}
          rowKey={({ namespace, name }) => `${namespace}/${name}`}
          sort={search.sort ?? 'name'}
          onSort={(sort) => change({ sort })}
          empty={<Empty title="No policies">None match, or the repository holds none yet.</Empty>}
        />
      </PageSection>
    </>
  );
};
