import { createRoute, lazyRouteComponent } from '@tanstack/react-router';
import { z } from 'zod';
import { shellRoute } from '../../app/root-route.tsx';
import { textParam } from '../../app/search-params.ts';

export const clustersRoutes = [
  createRoute({
    getParentRoute: () => shellRoute,
    path: '/clusters',
    validateSearch: z.object({ q: textParam }),
    component: lazyRouteComponent(() => import('./clusters-page.tsx'), 'ClustersPage'),
  }),
  createRoute({
    getParentRoute: () => shellRoute,
    path: '/clusters/$name',
    component: lazyRouteComponent(() => import('./cluster-page.tsx'), 'ClusterPage'),
  }),
] as const;
