import type { CommitSummary, Page } from '@fso/shared/api';
import { shortRevision } from '@fso/shared/text';
import { Table, Tbody, Td, Th, Thead, Tr } from '@patternfly/react-table';
import { type InfiniteData, useInfiniteQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { commitsQuery } from '../../api/queries.ts';
import { Empty, QueryView } from '../../components/empty-states.tsx';
import { RevisionLink } from '../../components/links.tsx';
import { CommitStateLabel } from '../../components/state-label.tsx';
import { RelativeTime, SectionCard } from '../../components/text.tsx';
import { formatChanges } from '../../lib/format.ts';
import { formatDuration } from '../../lib/time.ts';

const ROWS = 8;

/** Whether a reader can find out there why a commit did not come through. */
const hasReasons = ({ state, clusters }: CommitSummary): boolean => state === 'rejected' || clusters.refused > 0;

const Reasons = ({ summary }: { readonly summary: CommitSummary }) =>
  hasReasons(summary) ? (
    <Link to="/activity/$revision" params={{ revision: summary.commit.revision }} className="fso-reason">
      Why {shortRevision(summary.commit.revision)} was {summary.state === 'rejected' ? 'rejected' : 'refused'}
    </Link>
  ) : null;

const Change = ({ summary }: { readonly summary: CommitSummary }) => {
  const { commit, state, policies, clusters, noticed, enforcementMs } = summary;
  return (
    <Tr>
      <Th scope="row" dataLabel="Commit">
        <RevisionLink revision={commit.revision} />
      </Th>
      <Td dataLabel="Subject">
        <span className="fso-break">{commit.subject}</span>
        <span className="fso-count-note">{commit.author}</span>
      </Td>
      <Td dataLabel="Policies">{formatChanges(policies)}</Td>
      <Td dataLabel="Noticed">
        <RelativeTime time={noticed} />
      </Td>
      <Td dataLabel="State">
        <CommitStateLabel state={state} />
        <Reasons summary={summary} />
      </Td>
      <Td dataLabel="Proven in" className="fso-number">
        {clusters.proven} of {clusters.total}
      </Td>
      <Td dataLabel="Took" className="fso-number">
        {enforcementMs === null ? <span className="fso-muted">not yet</span> : formatDuration(enforcementMs)}
      </Td>
    </Tr>
  );
};

const Changes = ({ list }: { readonly list: InfiniteData<Page<CommitSummary>> }) => {
  const commits = list.pages[0]?.items.slice(0, ROWS) ?? [];
  if (commits.length === 0) return <Empty title="No commits yet">The hub has not read the repository.</Empty>;
  return (
    <Table aria-label="Recent policy changes" variant="compact" gridBreakPoint="grid-lg">
      <Thead>
        <Tr>
          <Th>Commit</Th>
          <Th>Subject</Th>
          <Th>Policies</Th>
          <Th>Noticed</Th>
          <Th>State</Th>
          <Th className="fso-number">Proven in</Th>
          <Th className="fso-number">Took</Th>
        </Tr>
      </Thead>
      <Tbody>
        {commits.map((summary) => (
          <Change key={`${summary.commit.revision} ${summary.noticed}`} summary={summary} />
        ))}
      </Tbody>
    </Table>
  );
};

/** The newest commits: author, subject, progress, and the time until they were enforced. */
export const ChangesCard = () => (
  <SectionCard title="Recent policy changes" footer={<Link to="/activity">All commits</Link>}>
    <QueryView query={useInfiniteQuery(commitsQuery)} what="the commits">
      {(list) => <Changes list={list} />}
    </QueryView>
  </SectionCard>
);
