import type { AuditEntry } from '@fso/shared/api';
import { PageSection } from '@patternfly/react-core';
import { useInfiniteQuery } from '@tanstack/react-query';
import { auditQuery } from '../../api/queries.ts';
import { type Column, DataTable } from '../../components/data-table.tsx';
import { PageHeader } from '../../components/page-header.tsx';
import { RelativeTime } from '../../components/relative-time.tsx';
import { Empty } from '../../components/states.tsx';

const COLUMNS: readonly Column<AuditEntry>[] = [
  { title: 'Time', width: 15, cell: ({ time }) => <RelativeTime time={time} /> },
  { title: 'Actor', cell: ({ actor }) => actor.id },
  { title: 'Action', cell: ({ action }) => action },
  { title: 'Subject', cell: ({ subject }) => subject },
];

export const AuditPage = () => {
  const query = useInfiniteQuery(auditQuery({}));
  return (
    <>
      <PageHeader title="Audit log" description="Who did what, and has anybody changed the record since?" />
      <PageSection hasBodyWrapper={false} isFilled>
        <DataTable
          label="Audit log"
          noun={['entry', 'entries']}
          query={query}
          columns={COLUMNS}
          rowKey={({ sequence }) => String(sequence)}
          empty={<Empty title="No entries" />}
        />
      </PageSection>
    </>
  );
};
