import type { CommitSummary } from '@fso/shared/api';
import { PageSection } from '@patternfly/react-core';
import { useInfiniteQuery } from '@tanstack/react-query';
import { commitsQuery } from '../../api/queries.ts';
import { type Column, DataTable } from '../../components/data-table.tsx';
import { PageHeader } from '../../components/page-header.tsx';
import { RelativeTime } from '../../components/relative-time.tsx';
import { RevisionLink } from '../../components/revision-link.tsx';
import { Empty } from '../../components/states.tsx';
import { duration } from '../../components/time.ts';

const COLUMNS: readonly Column<CommitSummary>[] = [
  { title: 'Commit', width: 20, cell: ({ commit }) => <RevisionLink revision={commit.revision} /> },
  { title: 'Subject', width: 30, cell: ({ commit }) => commit.subject },
  { title: 'Author', cell: ({ commit }) => commit.author },
  { title: 'Noticed', cell: ({ noticed }) => <RelativeTime time={noticed} /> },
  { title: 'Enforced in', cell: ({ enforcementMs }) => (enforcementMs === null ? 'not yet' : duration(enforcementMs)) },
];

export const ActivityPage = () => {
  const query = useInfiniteQuery(commitsQuery);
  return (
    <>
      <PageHeader title="Activity" description="Which commits came, and how far is each?" />
      <PageSection hasBodyWrapper={false} isFilled>
        <DataTable
          label="Commits"
          noun={['commit', 'commits']}
          query={query}
          columns={COLUMNS}
          rowKey={({ commit, noticed }) => `${commit.revision} ${noticed}`}
          empty={<Empty title="No commits">The hub has read none yet.</Empty>}
        />
      </PageSection>
    </>
  );
};
