import { EventPage, SourceView, StatusView } from '@fso/shared/api';
import { clusterRoutes } from './cluster-routes.ts';
import { numberOf } from './number-cursor.ts';
import { nextCursor } from './paging.ts';
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
      description: `\`total\` counts at most the newest ${MAX_COUNTED_EVENTS} events.`,
      tag: 'hub',
      access: 'viewer',
      query: EventQuery,
    },
    { schema: EventPage, description: 'A page, newest first.' },
    async (deps, { query: { limit, cursor, ...query } }) => {
      const filter = given(query);
      const [counted, found] = await Promise.all([
        deps.ledger.countEvents({ ...filter, limit: MAX_COUNTED_EVENTS }),
        deps.ledger.events({ ...filter, ...given({ before: numberOf(cursor) }), limit: limit + 1 }),
      ]);
      return { items: found.slice(0, limit), total: counted, next: nextCursor(found, ({ id }) => String(id), limit) };
    },
  ),
];

/** Everything that answers with a view. */
export const viewRoutes: readonly Route[] = [...hubRoutes, ...policyRoutes, ...violationRoutes, ...clusterRoutes, ...reportRoutes];
