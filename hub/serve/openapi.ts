import { auditEntryRoute } from './audit-entry-route.ts';
import { auditRoutes } from './audit-routes.ts';
import { authRoutes } from './auth-routes.ts';
import { cliLoginRoutes } from './cli-login-routes.ts';
import { commitRoutes } from './commit-routes.ts';
import { describeApi } from './describe-api.ts';
import { enrolmentRoutes } from './enrolment-routes.ts';
import { historyRoutes } from './history-routes.ts';
import { operationRoutes } from './operation-routes.ts';
import type { Route } from './route.ts';
import { viewRoutes } from './routes.ts';
import { tokenRoutes } from './token-routes.ts';

const openApiRoute: Route = {
  method: 'get',
  path: '/api/v1/openapi.json',
  operationId: 'getOpenApi',
  summary: 'This description',
  tag: 'operations',
  access: 'open',
  response: { status: 200, description: 'OpenAPI 3.1.' },
  problems: [],
  handler: () => {
    const description = buildOpenApi();
    return (_req, res) => {
      res.json(description);
    };
  },
};

/** The route table: what express serves and what OpenAPI describes. */
export const ROUTES: readonly Route[] = [
  ...viewRoutes,
  ...historyRoutes,
  ...commitRoutes,
  ...auditRoutes,
  auditEntryRoute,
  ...enrolmentRoutes,
  ...tokenRoutes,
  ...authRoutes,
  ...cliLoginRoutes,
  ...operationRoutes,
  openApiRoute,
];

/** OpenAPI 3.1 of the hub, generated from the route table. */
export function buildOpenApi(): object {
  return describeApi(ROUTES);
}
