import type { CommitActivity, CommitSummary, Page } from '@fso/shared/api';
import { Alert, StackItem } from '@patternfly/react-core';
import { type InfiniteData, useInfiniteQuery, useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import type { ReactNode } from 'react';
import { commitsQuery, rolloutQuery } from '../../api/queries.ts';
import { useScope } from '../../api/session.ts';
import { PlanLink, RevisionLink } from '../../components/links.tsx';
import { ProblemList } from '../../components/text.tsx';
import { formatNumber } from '../../lib/format.ts';
import { rowsOf } from '../../lib/paged-list.ts';
import { formatDuration } from '../../lib/time.ts';
import { findSuccessor } from './steps.ts';

const SuccessorLink = ({ successor }: { readonly successor: CommitSummary | undefined }) =>
  successor === undefined ? (
    'a newer commit'
  ) : (
    <Link to="/activity/$revision" params={{ revision: successor.commit.revision }}>
      {successor.commit.subject}
    </Link>
  );

/** Newer commit that came into force, if it is on the first pages of the list. */
const Successor = ({ revision }: { readonly revision: string }) => {
  const select = (list: InfiniteData<Page<CommitSummary>>) => findSuccessor(rowsOf(list), revision);
  const query = useInfiniteQuery({ ...commitsQuery, select });
  return <SuccessorLink successor={query.data} />;
};

const Rejected = ({ problems }: Pick<CommitActivity, 'problems'>) => (
  <Alert isInline variant="danger" component="h2" title="The hub rejected this commit; the last good commit stays in force">
    <p>Fix it in Git and push again:</p>
    <ProblemList problems={problems} />
  </Alert>
);

const Refused = ({ activity: { clusters, commit } }: { readonly activity: CommitActivity }) => {
  const title = `${formatNumber(clusters.refused)} of ${formatNumber(clusters.total)} clusters refused it and keep the last good commit`;
  return (
    <Alert isInline variant="danger" component="h2" title={title}>
      <Link to="/activity/$revision" params={{ revision: commit.revision }} search={{ at: 'refused' }} replace>
        Show the clusters that refused it, with their reasons
      </Link>
    </Alert>
  );
};

const Enforced = ({ activity: { enforcementMs, clusters } }: { readonly activity: CommitActivity }) => {
  const time = enforcementMs === null ? '' : ` in ${formatDuration(enforcementMs)}`;
  const others = clusters.total - clusters.proven;
  return (
    <Alert isInline variant="success" component="h2" title={`Enforced${time}: proven in every connected cluster`}>
      {others === 0
        ? null
        : `${formatNumber(others)} of ${formatNumber(clusters.total)} clusters have not proven it because they were not connected.`}
    </Alert>
  );
};

const Superseded = ({ activity: { commit, clusters } }: { readonly activity: CommitActivity }) => (
  <Alert isInline variant="info" component="h2" title="A newer commit replaced this one before every cluster enforced it">
    Superseded by <Successor revision={commit.revision} />. By then {formatNumber(clusters.proven)} of {formatNumber(clusters.total)}{' '}
    clusters had proven it.
  </Alert>
);

const OUTCOMES: Readonly<Record<CommitActivity['state'], (activity: CommitActivity) => ReactNode>> = {
  rejected: ({ problems }) => <Rejected problems={problems} />,
  refused: (activity) => <Refused activity={activity} />,
  enforced: (activity) => <Enforced activity={activity} />,
  superseded: (activity) => <Superseded activity={activity} />,
  inProgress: () => null,
};

const Signature = ({ verification, commit }: Pick<CommitActivity, 'verification' | 'commit'>) => (
  <p>
    Commit <RevisionLink revision={commit.revision} />
    {verification?.signer === undefined ? null : <>, signed by {verification.signer}</>}
    {verification?.reason === undefined ? null : <>, bad signature: {verification.reason}</>}
  </p>
);

/** Link to the rollout of a commit that goes out in waves. */
const InWaves = ({ revision }: { readonly revision: string }) => {
  // The rollout concerns the whole fleet.
  const { data } = useQuery({ ...rolloutQuery, enabled: useScope() === undefined });
  if (data === undefined || data.waves.length === 0 || data.revision !== revision) return null;
  const where = data.halted === null ? data.state.toLowerCase() : `halted in wave ${data.halted.wave}`;
  return (
    <p>
      It goes out in waves: <Link to="/rollout">{where}</Link>.
    </p>
  );
};

/** Outcome of a commit, and its signer. */
export const CommitOutcome = ({ activity }: { readonly activity: CommitActivity }) => (
  <>
    <StackItem>
      <Signature verification={activity.verification} commit={activity.commit} />
      <InWaves revision={activity.commit.revision} />
      {activity.plan === null ? null : (
        <p>
          Planned before the merge: <PlanLink id={activity.plan} />
        </p>
      )}
    </StackItem>
    {activity.state === 'inProgress' ? null : <StackItem>{OUTCOMES[activity.state](activity)}</StackItem>}
  </>
);
