import type { PolicyView } from '@fso/shared/api';
import { count } from '@fso/shared/text';
import QuestionCircleIcon from '@patternfly/react-icons/dist/esm/icons/question-circle-icon';
import { useMemo } from 'react';
import { Empty } from '../../../components/empty-states.tsx';
import { ClusterLink, RevisionLink } from '../../../components/links.tsx';
import { LastKnownCluster, StaleState } from '../../../components/stale-state.tsx';
import { LockLabel, PhaseLabel } from '../../../components/state-label.tsx';
import { LocalTable } from '../../../components/tables/data-table.tsx';
import type { Column } from '../../../components/tables/virtual-table.tsx';
import { LongText, RelativeTime } from '../../../components/text.tsx';
import { type Filter, optionsOf } from '../../../lib/filters.ts';
import { formatNumber } from '../../../lib/format.ts';
import { PHASE_FILTER } from '../policy-values.tsx';
import { usePolicyDetails } from '../use-policy-details.ts';
import { usePolicyKey, usePolicySearch } from '../use-policy-search.ts';
import { HistoryButton } from './cluster-history.tsx';
import { type ClusterRow, filterRows, type LockName, sortRows, toClusterRows } from './cluster-rows.ts';

const MESSAGE_CHARACTERS = 90;

const OwnHistory = ({ cluster }: { readonly cluster: string }) => <HistoryButton policy={usePolicyKey()} cluster={cluster} />;

const Cluster = ({ cluster, known }: ClusterRow) => (
  <>
    <ClusterLink cluster={cluster} />
    <div>
      <OwnHistory cluster={cluster} />
    </div>
    {known === 'last' ? <LastKnownCluster cluster={cluster} /> : null}
    {known === 'never' ? (
      <div className="fso-muted">
        <QuestionCircleIcon /> not reported yet
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
        {since === undefined ? null : (
          <div className="fso-muted">
            since <RelativeTime time={since} />
          </div>
        )}
        {message === undefined || message === '' ? null : (
          <div>
            <LongText text={message} max={MESSAGE_CHARACTERS} />
          </div>
        )}
      </>
    );
  };

const countText = (value: number | undefined): string => (value === undefined ? 'not known' : formatNumber(value));

/** Columns of the table. Their widths are in policies.css. */
const CLUSTER_COLUMNS: readonly Column<ClusterRow>[] = [
  { title: 'Cluster', sort: 'cluster', cell: Cluster },
  { title: 'Phase', sort: 'phase', cell: Phase },
  { title: 'Lock 1: admission', sort: 'admission', cell: lockCell('admission') },
  { title: 'Lock 1: bind gate', sort: 'binding', cell: lockCell('binding') },
  { title: 'Lock 2: Gatekeeper', sort: 'gatekeeper', cell: lockCell('gatekeeper') },
  { title: 'Revision', cell: ({ report }) => <RevisionLink revision={report?.revision} /> },
  { title: 'Namespaces', sort: 'namespaces', cell: ({ report }) => countText(report?.namespaces.length) },
  { title: 'Violations', sort: 'violations', cell: ({ report }) => countText(report?.violations) },
];

/** Default order: the most urgent phase first. */
const DEFAULT_SORT = 'phase';

const FILTERS: readonly Filter[] = [
  PHASE_FILTER,
  {
    name: 'locks',
    label: 'Locks',
    options: optionsOf({
      enforced: 'all enforced',
      other: 'not known to be enforced',
      Degraded: 'one degraded',
      Pending: 'one pending',
      Unavailable: 'one unavailable',
    }),
  },
  {
    name: 'known',
    label: 'Known',
    options: optionsOf({ now: 'current', last: 'last known, not connected', never: 'not reported yet' }),
  },
];

export const ClustersTab = ({ policy }: { readonly policy: PolicyView }) => {
  const { search } = usePolicySearch();
  const { clusters } = usePolicyDetails(policy);
  const { q, phase, locks, known, sort = DEFAULT_SORT } = search;
  const rows = useMemo(() => toClusterRows(clusters), [clusters]);
  const shown = useMemo(() => sortRows(filterRows(rows, { q, phase, locks, known }), sort), [rows, q, phase, locks, known, sort]);
  if (rows.length === 0)
    return <Empty title="No clusters">The placement of this policy, with the scopes around it, selects no cluster.</Empty>;
  return (
    <div className="fso-policies-clusters">
      <LocalTable
        toolbar={{ search: 'Search clusters', filters: FILTERS }}
        table={{ label: 'Clusters of the policy', rows: shown, columns: CLUSTER_COLUMNS, rowKey: ({ cluster }) => cluster, sort }}
        note={`${shown.length === rows.length ? '' : `${formatNumber(shown.length)} of `}${count(rows.length, 'cluster')}`}
        values={search}
        noMatch="No cluster matches"
      />
    </div>
  );
};
