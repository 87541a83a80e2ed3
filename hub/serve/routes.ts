import { EventPage, SourceView, StatusView } from '@fso/shared/api';
import { clusterRoutes } from './cluster-routes.ts';
import { numberOf } from './number-cursor.ts';
import { searchCursor } from './paging.ts';
import { policyRoutes } from './policy-routes.ts';
import { EventQuery, given, sourceOf, statusOf } from './queries.ts';
import { reportRoutes } from './report-routes.ts';
import { jsonRoute, type Route } from './route.ts';
import { violationRoutes } from './violation-routes.ts';

/** Events that are counted for `total`; a ledger may hold more. */
const MAX_COUNTED_EVENTS = 10_000;

const hubRoutes: readonly Route[] = [
  jsonRoute(
    {
      method: 'get',
      path: '/api/v1/status',
      operationId: 'getStatus',
      summary: 'The whole fleet in numbers',
      tag: 'hub',
      access: 'viewer',
    },
    { schema: StatusView, description: 'The status.' },
    statusOf,
  ),
  jsonRoute(
    { method: 'get', path: '/api/v1/source', operationId: 'getSource', summary: 'The policy repository', tag: 'hub', access: 'viewer' },
    { schema: SourceView, description: 'The commit in force, a refused newer one, and why the repository cannot be read, if so.' },
    sourceOf,
  ),
  jsonRoute(
    {
      method: 'get',
      path: '/api/v1/events',
      operationId: 'listEvents',
      summary: 'What happened',
      description: `\`total\` counts at most ${MAX_COUNTED_EVENTS} events; with a text or a time, of the newest as many. At most some 50,000 events are looked at for one page, which can then be short, or empty: \`next\` goes on.`,
      tag: 'hub',
      access: 'viewer',
      query: EventQuery,
    },
    { schema: EventPage, description: 'A page, newest first.' },
    async ({ ledger }, { query: { limit, cursor, ...query }, signal }) => {
      const filter = given(query);
      const [counted, { events, next }] = await Promise.all([
        ledger.countEvents({ ...filter, limit: MAX_COUNTED_EVENTS }),
        ledger.searchEvents({ ...filter, ...given({ before: numberOf(cursor) }), limit: limit + 1, signal }),
      ]);
      const items = events.slice(0, limit);
      return {
        items,
        total: Math.max(counted, items.length),
        next: searchCursor(events, ({ id }) => String(id), { limit, next: next === null ? null : String(next) }),
      };
    },
  ),
];

/** Everything that answers with a view. */
export const viewRoutes: readonly Route[] = [...hubRoutes, ...policyRoutes, ...violationRoutes, ...clusterRoutes, ...reportRoutes];
