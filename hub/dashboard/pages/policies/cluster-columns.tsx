import QuestionCircleIcon from '@patternfly/react-icons/dist/esm/icons/question-circle-icon';
import { Link } from '@tanstack/react-router';
import { RevisionLink } from '../../components/links.tsx';
import { LastKnownCluster, StaleState } from '../../components/stale-state.tsx';
import { LockLabel, PhaseLabel } from '../../components/state-label.tsx';
import { LongText, RelativeTime } from '../../components/text.tsx';
import type { Column } from '../../components/virtual-table.tsx';
import { formatNumber } from '../../lib/format.ts';
import type { ClusterRow, LockName } from './cluster-rows.ts';

const MESSAGE_CHARACTERS = 90;

const Cluster = ({ cluster, known }: ClusterRow) => (
  <>
    <Link to="/clusters/$name" params={{ name: cluster }}>
      {cluster}
    </Link>
    {known === 'last' ? <LastKnownCluster cluster={cluster} /> : null}
    {known === 'never' ? (
      <div className="fso-muted">
        <QuestionCircleIcon /> nothing reported yet
      </div>
    ) : null}
  </>
);

const Phase = ({ phase, known, report }: ClusterRow) => (
  <>
    <PhaseLabel phase={phase} />
    {known === 'last' && report !== null && report.phase !== phase ? (
      <div className="fso-muted">was {report.phase.toLowerCase()}</div>
    ) : null}
  </>
);

const lockCell =
  (lock: LockName) =>
  ({ report, known }: ClusterRow) => {
    if (report === null) return <LockLabel state={null} />;
    const { state, since, message } = report.enforcement[lock];
    return (
      <>
        {known === 'last' ? (
          <StaleState>
            <LockLabel lock="Was" state={state} />
          </StaleState>
        ) : (
          <LockLabel state={state} />
        )}
        <div className="fso-muted">
          since <RelativeTime time={since} />
        </div>
        {message === undefined || message === '' ? null : (
          <div>
            <LongText text={message} max={MESSAGE_CHARACTERS} />
          </div>
        )}
      </>
    );
  };

const countText = (value: number | undefined): string => (value === undefined ? 'not known' : formatNumber(value));

/** Their widths are in policies.css. */
export const CLUSTER_COLUMNS: readonly Column<ClusterRow>[] = [
  { title: 'Cluster', sort: 'cluster', cell: Cluster },
  { title: 'Phase', sort: 'phase', cell: Phase },
  { title: 'Lock 1: admission', sort: 'admission', cell: lockCell('admission') },
  { title: 'Lock 1: bind gate', sort: 'binding', cell: lockCell('binding') },
  { title: 'Lock 2: Gatekeeper', sort: 'gatekeeper', cell: lockCell('gatekeeper') },
  { title: 'Revision', cell: ({ report }) => <RevisionLink revision={report?.revision} /> },
  { title: 'Namespaces', sort: 'namespaces', cell: ({ report }) => countText(report?.namespaces.length) },
  { title: 'Violations', sort: 'violations', cell: ({ report }) => countText(report?.violations) },
];
