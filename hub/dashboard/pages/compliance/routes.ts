import { createRoute, lazyRouteComponent } from '@tanstack/react-router';
import { z } from 'zod';
import { shellRoute } from '../../app/root-route.tsx';
import { textParam } from '../../app/search-params.ts';

export const complianceRoutes = [
  createRoute({
    getParentRoute: () => shellRoute,
    path: '/compliance',
    validateSearch: z.object({ region: textParam }),
    component: lazyRouteComponent(() => import('./compliance-page.tsx'), 'CompliancePage'),
  }),
] as const;
