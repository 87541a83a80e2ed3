import './activity.css';
import type { CommitSummary } from '@fso/shared/api';
import { Icon } from '@patternfly/react-core';
import BanIcon from '@patternfly/react-icons/dist/esm/icons/ban-icon';
import { useInfiniteQuery } from '@tanstack/react-query';
import { commitsQuery } from '../../api/queries.ts';
import { Empty } from '../../components/empty-states.tsx';
import { RevisionLink } from '../../components/links.tsx';
import { Page } from '../../components/page-header.tsx';
import { CommitStateLabel, VerificationLabel } from '../../components/state-label.tsx';
import { type Column, DataTable } from '../../components/tables/data-table.tsx';
import { RelativeTime } from '../../components/text.tsx';
import { formatChanges, formatNumber } from '../../lib/format.ts';
import { formatDuration } from '../../lib/time.ts';

/**
 * Share of the clusters in which the commit is proven, and the number of clusters that refused it.
 */
const ProvenBar = ({ clusters: { proven, total, refused } }: Pick<CommitSummary, 'clusters'>) =>
  total === 0 ? (
    <span className="fso-muted">no cluster</span>
  ) : (
    <>
      <span className="fso-nowrap">
        {formatNumber(proven)} of {formatNumber(total)}
      </span>
      <span className="fso-bar" aria-hidden>
        <span className="fso-bar-part" style={{ inlineSize: `${(100 * proven) / total}%` }} />
      </span>
      {refused === 0 ? null : (
        <div className="fso-nowrap">
          <Icon status="danger" isInline>
            <BanIcon />
          </Icon>{' '}
          {formatNumber(refused)} refused
        </div>
      )}
    </>
  );

const Enforced = ({ commit: { enforcementMs, enforced, state } }: { readonly commit: CommitSummary }) => {
  if (enforcementMs !== null) return <strong>{formatDuration(enforcementMs)}</strong>;
  if (enforced !== null) return <span className="fso-muted">not watched</span>;
  return <span className="fso-muted">{state === 'inProgress' ? 'not yet' : 'never'}</span>;
};

const COLUMNS: readonly Column<CommitSummary>[] = [
  {
    title: 'Commit',
    width: 30,
    cell: ({ commit }) => (
      <>
        <div>{commit.subject}</div>
        <RevisionLink revision={commit.revision} /> <span className="fso-muted">{commit.author}</span>
      </>
    ),
  },
  {
    title: 'State and signature',
    width: 15,
    cell: ({ state, verification }) => (
      <>
        <div>
          <CommitStateLabel state={state} />
        </div>
        <VerificationLabel verification={verification} />
      </>
    ),
  },
  { title: 'Policies', width: 15, cell: ({ policies }) => formatChanges(policies) },
  { title: 'Proven', width: 15, cell: ({ clusters }) => <ProvenBar clusters={clusters} /> },
  { title: 'Noticed', width: 15, cell: ({ noticed }) => <RelativeTime time={noticed} /> },
  { title: 'Enforced in', width: 10, cell: (commit) => <Enforced commit={commit} /> },
];

export const ActivityPage = () => {
  const query = useInfiniteQuery(commitsQuery);
  return (
    <Page title="Activity" description="Every commit, its progress through the fleet, and the time until it was enforced.">
      <DataTable
        label="Commits"
        noun={['commit', 'commits']}
        query={query}
        columns={COLUMNS}
        rowKey={({ commit, noticed }) => `${commit.revision} ${noticed}`}
        empty={
          <Empty title="No commits">
            The hub has not read a commit yet. It fetches the repository on each webhook, and polls it in between.
          </Empty>
        }
      />
    </Page>
  );
};
