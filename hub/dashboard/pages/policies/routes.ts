import { createRoute, lazyRouteComponent } from '@tanstack/react-router';
import { z } from 'zod';
import { shellRoute } from '../../app/root-route.tsx';
import { choiceParam, sortParam, textParam } from '../../app/search-params.ts';

export const policiesRoutes = [
  createRoute({
    getParentRoute: () => shellRoute,
    path: '/policies',
    validateSearch: z.object({
      q: textParam,
      phase: choiceParam(['Active', 'Pending', 'Failed', 'Expired']),
      sort: sortParam(['name', 'target', 'phase', 'violations', 'expiry', 'updated']),
    }),
    component: lazyRouteComponent(() => import('./policies-page.tsx'), 'PoliciesPage'),
  }),
  createRoute({
    getParentRoute: () => shellRoute,
    path: '/policies/$namespace/$name',
    component: lazyRouteComponent(() => import('./policy-page.tsx'), 'PolicyPage'),
  }),
] as const;
