import { cliLoginRoutes } from './auth/cli-login-routes.ts';
import { loginLinkRoutes } from './auth/login-link-routes.ts';
import { loginRoutes } from './auth/login-routes.ts';
import { backupRoutes } from './export/backup-route.ts';
import { describeApi } from './http/describe-api.ts';
import { ANONYMOUS_CALL, type HubScope, type Route } from './http/route.ts';
import { alertRoutes, receiverRoutes } from './routes/alerts/alert-routes.ts';
import { silenceRoutes } from './routes/alerts/silence-routes.ts';
import { auditRoutes } from './routes/audit-routes.ts';
import { clusterRoutes } from './routes/cluster-routes.ts';
import { commitRoutes } from './routes/commits/commit-routes.ts';
import { planRoutes } from './routes/commits/plan-routes.ts';
import { rolloutRoutes } from './routes/commits/rollout-routes.ts';
import { enrolmentRoutes, forgetRoutes } from './routes/enrolment-routes.ts';
import { eventRoutes } from './routes/event-routes.ts';
import { denialRoutes } from './routes/findings/denial-routes.ts';
import { processingRoutes } from './routes/findings/processing-routes.ts';
import { riskRoutes } from './routes/findings/risk-routes.ts';
import { violationRoutes } from './routes/findings/violation-routes.ts';
import { historyRoutes } from './routes/history-routes.ts';
import { fleetRoutes, hubRoutes } from './routes/hub-routes.ts';
import { policyDocumentRoutes, policyRoutes } from './routes/policy-routes.ts';
import { reportRoutes } from './routes/report-routes.ts';
import { tokenRoutes } from './routes/token-routes.ts';
import { webhookRoutes } from './routes/webhook-routes.ts';

const openApiRoute: Route<unknown, HubScope> = {
  ...ANONYMOUS_CALL,
  method: 'get',
  path: '/api/v1/openapi.json',
  operationId: 'getOpenApi',
  summary: 'This description',
  tag: 'operations',
  response: { status: 200, description: 'OpenAPI 3.1.' },
  handler: () => {
    const description = buildOpenApi();
    return (_req, res) => {
      res.json(description);
    };
  },
};

/**
 * Route table that express serves and OpenAPI describes. Each route names its dependencies; the API
 * provides all of them.
 */
export const ROUTES = [
  ...fleetRoutes,
  ...hubRoutes,
  ...webhookRoutes,
  ...policyRoutes,
  ...policyDocumentRoutes,
  ...planRoutes,
  ...clusterRoutes,
  ...historyRoutes,
  ...violationRoutes,
  ...riskRoutes,
  ...denialRoutes,
  ...processingRoutes,
  ...reportRoutes,
  ...eventRoutes,
  ...commitRoutes,
  ...rolloutRoutes,
  ...alertRoutes,
  ...receiverRoutes,
  ...silenceRoutes,
  ...auditRoutes,
  ...backupRoutes,
  ...enrolmentRoutes,
  ...forgetRoutes,
  ...tokenRoutes,
  ...loginRoutes,
  ...cliLoginRoutes,
  ...loginLinkRoutes,
  openApiRoute,
] as const;

/** Builds the OpenAPI 3.1 description of the hub from the route table. */
export function buildOpenApi(): object {
  return describeApi(ROUTES);
}
