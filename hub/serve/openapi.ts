import { authRoutes } from './auth/auth-routes.ts';
import { cliLoginRoutes } from './auth/cli-login-routes.ts';
import { tokenRoutes } from './auth/token-routes.ts';
import { describeApi } from './http/describe-api.ts';
import type { Route } from './http/route.ts';
import { auditEntryRoute } from './routes/audit-entry-route.ts';
import { auditRoutes } from './routes/audit-routes.ts';
import { commitRoutes } from './routes/commit-routes.ts';
import { enrolmentRoutes } from './routes/enrolment-routes.ts';
import { historyRoutes } from './routes/history-routes.ts';
import { operationRoutes } from './routes/operation-routes.ts';
import { viewRoutes } from './routes/read-routes.ts';

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
