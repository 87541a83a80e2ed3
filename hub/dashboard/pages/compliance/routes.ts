import { createRoute, lazyRouteComponent } from '@tanstack/react-router';
import { shellRoute } from '../../app/root-route.tsx';

export const complianceRoutes = [
  createRoute({
    getParentRoute: () => shellRoute,
    path: '/compliance',
    component: lazyRouteComponent(() => import('./compliance-page.tsx'), 'CompliancePage'),
  }),
] as const;
