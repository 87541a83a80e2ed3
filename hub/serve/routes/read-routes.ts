import { SourceView, StatusView } from '@fso/shared/api';
import { jsonRoute, type Route } from '../http/route.ts';
import { sourceOf, statusOf } from '../queries.ts';
import { clusterRoutes } from './cluster-routes.ts';
import { eventRoutes } from './event-routes.ts';
import { policyRoutes } from './policy-routes.ts';
import { reportRoutes } from './report-routes.ts';
import { violationRoutes } from './violation-routes.ts';

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
];

/** Everything that answers with a view. */
export const viewRoutes: readonly Route[] = [
  ...hubRoutes,
  ...eventRoutes,
  ...policyRoutes,
  ...violationRoutes,
  ...clusterRoutes,
  ...reportRoutes,
];
