import type { EventView, Page } from '@fso/shared/api';
import { getRouteApi } from '@tanstack/react-router';
import { getJson } from '../../api/client.ts';
import { eventsQuery } from '../../api/queries.ts';
import { Empty } from '../../components/empty-states.tsx';
import { ClusterLink, PolicyLink, RevisionLink } from '../../components/links.tsx';
import { SEVERITY_OPTIONS, SeverityLabel } from '../../components/state-label.tsx';
import { type Column, SearchableTable } from '../../components/tables/data-table.tsx';
import { RelativeTime } from '../../components/text.tsx';
import { CLUSTER_FILTER, type Filter, suggestionsOf, useSearchChange } from '../../lib/filters.ts';
import { AuditFrame } from './audit-frame.tsx';
import { Exports, NewRowsButton, PeriodFilter, useBounds } from './list-tools.tsx';
import { PERIOD } from './period.ts';
import { useGrowingList } from './use-growing-list.ts';

const route = getRouteApi('/shell/audit/events');

const filtersFor = (rows: readonly EventView[]): readonly Filter[] => {
  const among = (field: 'cluster' | 'policy'): readonly string[] => suggestionsOf(rows.flatMap((row) => row[field] ?? []));
  return [
    { name: 'severity', label: 'Severity', options: SEVERITY_OPTIONS },
    { ...CLUSTER_FILTER, suggestions: among('cluster') },
    { name: 'policy', label: 'Policy', suggestions: among('policy') },
  ];
};

const COLUMNS: readonly Column<EventView>[] = [
  { title: 'Time', width: 15, cell: ({ time }) => <RelativeTime time={time} /> },
  { title: 'Severity', width: 10, cell: ({ severity }) => <SeverityLabel severity={severity} /> },
  {
    title: 'Cluster',
    width: 15,
    cell: ({ cluster }) => (cluster === null ? <span className="fso-muted">the hub</span> : <ClusterLink cluster={cluster} />),
  },
  {
    title: 'What happened',
    width: 35,
    cell: ({ reason, message }) => (
      <div>
        <strong>{reason}</strong>
        <div>{message}</div>
      </div>
    ),
  },
  {
    title: 'About',
    cell: ({ policy, namespace, revision }) => (
      <div>
        {policy === undefined ? null : (
          <div>
            <PolicyLink policy={policy} />
          </div>
        )}
        {namespace === undefined ? null : <div>namespace {namespace}</div>}
        {revision === undefined ? null : <RevisionLink revision={revision} />}
      </div>
    ),
  },
];

export const EventsPage = () => {
  const { span, since, until, ...filters } = route.useSearch();
  const change = useSearchChange();
  const params = { ...filters, ...useBounds({ span, since, until }) };
  const { query, rows, held, showHeld, onScrollCapture } = useGrowingList<EventView>({
    list: eventsQuery(params),
    readNewest: (signal) => getJson<Page<EventView>>('/api/v1/events', { ...params, limit: 100 }, signal),
    idOf: ({ id }) => id,
    isCounted: true,
    polls: false,
  });
  return (
    <AuditFrame description="Events of the clusters, as reported by their agents.">
      <SearchableTable
        toolbar={{ search: 'Search events', filters: filtersFor(rows), besides: PERIOD }}
        table={{
          label: 'Events of clusters',
          noun: ['event', 'events'],
          query,
          columns: COLUMNS,
          rowKey: ({ id }) => String(id),
          onScrollCapture,
        }}
        values={{ ...filters, span, since, until }}
        none={<Empty title="No events yet" />}
        noMatch="No event matches"
      >
        <div className="fso-table-note">
          <PeriodFilter period={{ span, since, until }} onChange={change} />
          <NewRowsButton held={held} noun={['event', 'events']} onShow={showHeld} />
          <Exports path="/api/v1/events/export" params={params} />
        </div>
      </SearchableTable>
    </AuditFrame>
  );
};
