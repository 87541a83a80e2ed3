import type { ViolationView } from '@fso/shared/api';
import { PageSection } from '@patternfly/react-core';
import { useInfiniteQuery } from '@tanstack/react-query';
import { violationsQuery } from '../../api/queries.ts';
import { type Column, DataTable } from '../../components/data-table.tsx';
import { PageHeader } from '../../components/page-header.tsx';
import { RelativeTime } from '../../components/relative-time.tsx';
import { Empty } from '../../components/states.tsx';

const COLUMNS: readonly Column<ViolationView>[] = [
  { title: 'Workload', width: 25, cell: ({ kind, namespace, name }) => `${kind} ${namespace}/${name}` },
  { title: 'Policy', cell: ({ policy }) => policy },
  { title: 'Cluster', cell: ({ cluster }) => cluster },
  { title: 'Reason', width: 30, cell: ({ reason }) => reason },
  { title: 'Since', cell: ({ since }) => <RelativeTime time={since} /> },
];

export const CompliancePage = () => {
  const query = useInfiniteQuery(violationsQuery({}));
  return (
    <>
      <PageHeader title="Compliance" description="Which workloads are outside of their allowed regions, and why?" />
      <PageSection hasBodyWrapper={false} isFilled>
        <DataTable
          label="Violations"
          noun={['violation', 'violations']}
          query={query}
          columns={COLUMNS}
          rowKey={({ cluster, policy, namespace, kind, name }) => [cluster, policy, namespace, kind, name].join(' ')}
          empty={<Empty title="No violations">Every workload that agents see is where it may be.</Empty>}
        />
      </PageSection>
    </>
  );
};
