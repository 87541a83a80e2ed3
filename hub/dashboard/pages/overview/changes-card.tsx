import type { CommitSummary, Page } from '@fso/shared/api';
import { shortRevision } from '@fso/shared/text';
import { type InfiniteData, useInfiniteQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { commitsQuery } from '../../api/queries.ts';
import { Empty, QueryView } from '../../components/empty-states.tsx';
import { RevisionLink } from '../../components/links.tsx';
import { CommitStateLabel } from '../../components/state-label.tsx';
import { PlainTable, type PlainTableProps } from '../../components/tables/plain-table.tsx';
import { RelativeTime, SectionCard } from '../../components/text.tsx';
import { formatChanges } from '../../lib/format.ts';
import { formatDuration } from '../../lib/time.ts';

const ROWS = 8;

/** Whether the page of the commit shows why it was not enforced everywhere. */
const hasReasons = ({ state, clusters }: CommitSummary): boolean => state === 'rejected' || clusters.refused > 0;

const Reasons = ({ summary }: { readonly summary: CommitSummary }) =>
  hasReasons(summary) ? (
    <Link to="/activity/$revision" params={{ revision: summary.commit.revision }} className="fso-reason">
      Why {shortRevision(summary.commit.revision)} was {summary.state === 'rejected' ? 'rejected' : 'refused'}
    </Link>
  ) : null;

const COLUMNS: PlainTableProps<CommitSummary>['columns'] = [
  { title: 'Commit', isName: true, cell: ({ commit }) => <RevisionLink revision={commit.revision} /> },
  {
    title: 'Subject',
    cell: ({ commit }) => (
      <>
        <span className="fso-break">{commit.subject}</span>
        <span className="fso-count-note">{commit.author}</span>
      </>
    ),
  },
  { title: 'Policies', cell: ({ policies }) => formatChanges(policies) },
  { title: 'Noticed', cell: ({ noticed }) => <RelativeTime time={noticed} /> },
  {
    title: 'State',
    cell: (summary) => (
      <>
        <CommitStateLabel state={summary.state} />
        <Reasons summary={summary} />
      </>
    ),
  },
  { title: 'Proven in', className: 'fso-number', cell: ({ clusters }) => `${clusters.proven} of ${clusters.total}` },
  {
    title: 'Took',
    className: 'fso-number',
    cell: ({ enforcementMs }) => (enforcementMs === null ? <span className="fso-muted">not yet</span> : formatDuration(enforcementMs)),
  },
];

const Changes = ({ list }: { readonly list: InfiniteData<Page<CommitSummary>> }) => {
  const commits = list.pages[0]?.items.slice(0, ROWS) ?? [];
  if (commits.length === 0) return <Empty title="No commits yet">The hub has not read the repository.</Empty>;
  return (
    <PlainTable
      label="Recent policy changes"
      rows={commits}
      columns={COLUMNS}
      rowKey={({ commit, noticed }) => `${commit.revision} ${noticed}`}
      gridBreakPoint="grid-lg"
    />
  );
};

/** Newest commits: author, subject, progress, and the time until they were enforced. */
export const ChangesCard = () => (
  <SectionCard title="Recent policy changes" footer={<Link to="/activity">All commits</Link>}>
    <QueryView query={useInfiniteQuery(commitsQuery)} what="the commits">
      {(list) => <Changes list={list} />}
    </QueryView>
  </SectionCard>
);
