import express from 'express';
import { createFailureCounter } from './auth/auth-failures.ts';
import { createGuard } from './auth/authorize.ts';
import { createDashboard } from './http/dashboard.ts';
import { noStore, secureHeaders } from './http/headers.ts';
import { createRequestTimer, registerFleetMetrics } from './http/metrics.ts';
import { ApiError, problemHandler, requestId } from './http/problems.ts';
import { ROUTES } from './openapi.ts';
import type { ApiDeps, ApiOptions } from './types.ts';

/** `/policies/{name}` as express writes it. */
const expressPath = (path: string): string => path.replaceAll(/\{(\w+)\}/g, ':$1');

/**
 * Step ⑨: the API for people, programs and webhooks. Registers metrics in `deps.registry`, so once per registry.
 *
 * Every route names the least role that it needs. Open are /healthz, /readyz, the description of the API, the login, the files
 * of the dashboard, which say nothing of the fleet, and the webhook, which has a secret of its own.
 */
export const createApi = (options: ApiOptions): express.Express => {
  const deps: ApiDeps = { ...options, countFailure: createFailureCounter(options) };
  const app = express();
  app.disable('x-powered-by');
  // Nothing is kept (no-store), so there is nothing to compare with.
  app.disable('etag');
  app.set('trust proxy', [...(deps.config.trustedProxies ?? [])]);
  app.use(requestId, secureHeaders(deps.access.publicOrigin), noStore);
  registerFleetMetrics(deps);
  const timed = createRequestTimer(deps);
  const guard = createGuard(deps);
  for (const route of ROUTES) {
    app[route.method](expressPath(route.path), timed(route.path), ...guard(route), route.handler(deps));
  }
  for (const path of new Set(ROUTES.map((route) => route.path))) {
    const allowed = ROUTES.filter((route) => route.path === path).map(({ method }) => method.toUpperCase());
    app.all(expressPath(path), (req) => {
      throw new ApiError('method-not-allowed', `${req.method} is not for ${path}.`, { Allow: allowed.join(', ') });
    });
  }
  if (deps.config.dashboard !== undefined) app.use(createDashboard(deps.config.dashboard));
  app.use((req) => {
    throw new ApiError('not-found', `Nothing is at ${req.path}. The API is described at /api/v1/openapi.json.`);
  });
  app.use(problemHandler(deps.logger));
  return app;
};
