import type { QueryClient } from '@tanstack/react-query';
import { createRouter } from '@tanstack/react-router';
import { activityRoutes } from '../pages/activity/routes.ts';
import { auditRoutes } from '../pages/audit/routes.ts';
import { clustersRoutes } from '../pages/clusters/routes.ts';
import { complianceRoutes } from '../pages/compliance/routes.ts';
import { overviewRoutes } from '../pages/overview/routes.ts';
import { policiesRoutes } from '../pages/policies/routes.ts';
import { rootRoute, shellRoute } from './root-route.tsx';
import { PageError, PageNotFound, PagePending } from './route-states.tsx';
import { parseSearch, stringifySearch } from './search-params.ts';
import { sessionRoutes } from './session/routes.ts';

const routeTree = rootRoute.addChildren([
  ...sessionRoutes,
  shellRoute.addChildren([...overviewRoutes, ...policiesRoutes, ...clustersRoutes, ...complianceRoutes, ...auditRoutes, ...activityRoutes]),
]);

export const createAppRouter = (context: { readonly queryClient: QueryClient; readonly linkToken: string | undefined }) =>
  createRouter({
    routeTree,
    context,
    parseSearch,
    stringifySearch,
    defaultPreload: 'intent',
    defaultPendingComponent: PagePending,
    defaultErrorComponent: PageError,
    defaultNotFoundComponent: PageNotFound,
  });

declare module '@tanstack/react-router' {
  interface Register {
    router: ReturnType<typeof createAppRouter>;
  }
}
