import { ALERT_NAMES, type AlertView } from '@fso/shared/api';
import { Alert, Button } from '@patternfly/react-core';
import { useInfiniteQuery, useQuery } from '@tanstack/react-query';
import { getRouteApi, Link } from '@tanstack/react-router';
import { alertsQuery, receiversQuery } from '../../api/queries.ts';
import { useScope } from '../../api/session.ts';
import { Empty } from '../../components/empty-states.tsx';
import { ClusterLink, PolicyLink } from '../../components/links.tsx';
import { SilenceButton } from '../../components/silence/silence-button.tsx';
import { MATCHED_LABELS, type MatcherDraft, matcherOf, NO_MATCHERS } from '../../components/silence/silence-draft.ts';
import { ALERT_SEVERITY_OPTIONS, AlertSeverityLabel } from '../../components/state-label.tsx';
import { type Column, SearchableTable } from '../../components/tables/data-table.tsx';
import { RelativeTime } from '../../components/text.tsx';
import { CLUSTER_FILTER, type Filter, suggestionsOf, useSearchChange, type Values } from '../../lib/filters.ts';
import { truncateList } from '../../lib/format.ts';
import { rowsOf } from '../../lib/paged-list.ts';
import { AlertDetail } from './alert-detail.tsx';
import { ALERT_STATE_OPTIONS, AlertStateLabel } from './alert-labels.tsx';
import { AlertsFrame, READ_MS } from './alerts-frame.tsx';

const route = getRouteApi('/shell/alerts');

/** Creates the filters, with suggestions from the rows that were read. */
const filtersFor = (rows: readonly AlertView[]): readonly Filter[] => {
  const among = (label: keyof AlertView['labels']): readonly string[] => suggestionsOf(rows.flatMap(({ labels }) => labels[label] ?? []));
  return [
    { name: 'state', label: 'State', options: ALERT_STATE_OPTIONS },
    { name: 'severity', label: 'Severity', options: ALERT_SEVERITY_OPTIONS },
    { name: 'name', label: 'Alert', options: ALERT_NAMES.map((value) => ({ value, text: value })) },
    { ...CLUSTER_FILTER, suggestions: among('cluster') },
    { name: 'policy', label: 'Policy', suggestions: among('policy') },
    { name: 'team', label: 'Team', suggestions: among('team') },
  ];
};

const MAX_RECEIVERS = 2;

interface NotifiedProps {
  readonly notified: AlertView['notified'];
  /** Whether the notification of a receiver is still due. */
  readonly isDue: boolean;
}

const Notified = ({ notified, isDue }: NotifiedProps) => {
  if (notified.length === 0) return <span className="fso-muted">{isDue ? 'nobody yet' : 'nobody'}</span>;
  const { shown, hidden } = truncateList(
    notified.map(({ receiver }) => receiver),
    MAX_RECEIVERS,
  );
  return (
    <>
      {notified.slice(0, shown.length).map(({ receiver, time }) => (
        <div key={receiver}>
          {receiver}, <RelativeTime time={time} />
        </div>
      ))}
      {hidden === 0 ? null : <div className="fso-muted">and {hidden} more</div>}
    </>
  );
};

interface ColumnContext {
  readonly hasReceivers: boolean;
  readonly onOpen: (alert: AlertView) => void;
}

const columnsFor = ({ hasReceivers, onOpen }: ColumnContext): readonly Column<AlertView>[] => [
  {
    title: 'Alert',
    sort: 'name',
    width: 25,
    cell: (alert) => (
      <div>
        <Button variant="link" isInline className="fso-cell-button" onClick={() => onOpen(alert)}>
          {alert.name}
        </Button>
        <div className="fso-muted">{alert.summary}</div>
      </div>
    ),
  },
  {
    title: 'State, severity',
    sort: 'state',
    width: 15,
    cell: ({ state, severity }) => (
      <div className="fso-alerts-labels">
        <AlertStateLabel state={state} />
        <AlertSeverityLabel severity={severity} />
      </div>
    ),
  },
  {
    title: 'Cluster',
    sort: 'cluster',
    width: 15,
    cell: ({ labels: { cluster } }) =>
      cluster === undefined ? <span className="fso-muted">the fleet</span> : <ClusterLink cluster={cluster} />,
  },
  {
    title: 'Policy and team',
    width: 15,
    cell: ({ labels: { policy, team } }) => (
      <div>
        {policy === undefined ? <span className="fso-muted">no policy</span> : <PolicyLink policy={policy} />}
        {team === undefined ? null : <div className="fso-muted">team {team}</div>}
      </div>
    ),
  },
  { title: 'Since', sort: 'started', width: 15, cell: ({ startsAt }) => <RelativeTime time={startsAt} /> },
  {
    title: 'Notified',
    width: 15,
    cell: ({ notified, state }) => <Notified notified={notified} isDue={hasReceivers && state === 'firing'} />,
  },
];

/** Most pages of a list that are polled. A longer list is refreshed by the user. */
const POLLED_PAGES = 1;

const NobodyNotified = () => (
  <Alert isInline variant="info" title="Nobody is notified of these alerts" component="p">
    This hub has no alerts file. <Link to="/alerts/receivers">How to set it up</Link>
  </Alert>
);

/** Initial matchers of a silence, from the filters of the page. */
const matchersFor = (filters: Values): readonly MatcherDraft[] => {
  const matchers = MATCHED_LABELS.flatMap((label) => {
    const value = filters[label];
    return value === undefined ? [] : [matcherOf(label, value)];
  });
  return matchers.length === 0 ? NO_MATCHERS : matchers;
};

export const AlertsPage = () => {
  const { open, ...search } = route.useSearch();
  const { sort, ...filters } = search;
  const query = useInfiniteQuery({
    ...alertsQuery(search),
    refetchInterval: ({ state }) => (state.data !== undefined && state.data.pages.length > POLLED_PAGES ? false : READ_MS),
  });
  // Unknown receivers do not count as missing.
  const hasReceivers = useQuery({ ...receiversQuery, enabled: useScope() === undefined }).data?.items.length !== 0;
  const change = useSearchChange();
  const rows = rowsOf(query.data);
  return (
    <AlertsFrame
      description="Problems of the fleet that last, and who was notified of them."
      labels={<SilenceButton label="Silence alerts" size="sm" matchers={matchersFor(filters)} />}
    >
      {hasReceivers ? null : <NobodyNotified />}
      <SearchableTable
        toolbar={{ search: 'Search alerts', filters: filtersFor(rows) }}
        table={{
          label: 'Alerts',
          noun: ['alert', 'alerts'],
          query,
          columns: columnsFor({ hasReceivers, onOpen: ({ fingerprint }) => change({ open: fingerprint }) }),
          rowKey: ({ fingerprint }) => fingerprint,
          sort: sort ?? 'state',
        }}
        values={filters}
        none={<Empty title="No alerts">Nothing fires, and nothing fired within the last 24 hours.</Empty>}
        noMatch="No alert matches"
        detail={
          open === undefined
            ? null
            : {
                key: open,
                title: rows.find(({ fingerprint }) => fingerprint === open)?.name ?? 'Alert',
                content: <AlertDetail fingerprint={open} />,
              }
        }
      />
    </AlertsFrame>
  );
};
