import type { EventView } from '@fso/shared/api';
import { useInfiniteQuery } from '@tanstack/react-query';
import { getRouteApi } from '@tanstack/react-router';
import { eventsQuery } from '../../../api/queries.ts';
import { Empty } from '../../../components/empty-states.tsx';
import { PolicyLink, RevisionLink } from '../../../components/links.tsx';
import { SEVERITY_OPTIONS, SeverityLabel } from '../../../components/state-label.tsx';
import { type Column, SearchableTable } from '../../../components/tables/data-table.tsx';
import { RelativeTime } from '../../../components/text.tsx';
import type { Filter } from '../../../lib/filters.ts';

const route = getRouteApi('/shell/clusters/$name');

const FILTERS: readonly Filter[] = [
  {
    name: 'severity',
    label: 'Severity',
    options: SEVERITY_OPTIONS,
  },
];

const About = ({ event: { policy, revision } }: { readonly event: EventView }) => (
  <>
    {policy === undefined ? null : <PolicyLink policy={policy} />}
    {revision === undefined ? null : (
      <div>
        <RevisionLink revision={revision} />
      </div>
    )}
  </>
);

const COLUMNS: readonly Column<EventView>[] = [
  { title: 'Time', width: 15, cell: ({ time }) => <RelativeTime time={time} /> },
  { title: 'Severity', width: 15, cell: ({ severity }) => <SeverityLabel severity={severity} /> },
  { title: 'Event', width: 15, cell: ({ reason }) => reason },
  { title: 'Message', cell: ({ message }) => message },
  { title: 'About', width: 20, cell: (event) => <About event={event} /> },
];

/** Events of a cluster, newest first. */
export const ClusterEvents = ({ cluster }: { readonly cluster: string }) => {
  const search = route.useSearch();
  const query = useInfiniteQuery(eventsQuery({ cluster, severity: search.severity, q: search.q }));
  return (
    <SearchableTable
      toolbar={{ search: 'Search events', filters: FILTERS }}
      table={{ label: 'Events', noun: ['event', 'events'], query, columns: COLUMNS, rowKey: ({ id }) => String(id) }}
      values={search}
      none={<Empty title="No events">No event of this cluster has been reported yet.</Empty>}
      noMatch="No events match"
    />
  );
};
