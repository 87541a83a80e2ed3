import { createRoute, lazyRouteComponent } from '@tanstack/react-router';
import { z } from 'zod';
import { shellRoute } from '../../app/root-route.tsx';
import { choiceParam, flagParam, phaseParam, regionParam, sortParam, textParam } from '../../app/search-params.ts';

export const clustersRoutes = [
  createRoute({
    getParentRoute: () => shellRoute,
    path: '/clusters',
    validateSearch: z.object({
      q: textParam,
      connection: choiceParam(['Connected', 'Disconnected', 'NeverSeen']),
      inSync: flagParam,
      violating: flagParam,
      tampered: flagParam,
      refusing: flagParam,
      locksReady: flagParam,
      region: regionParam,
      sort: sortParam(['name', 'connection', 'violations', 'seen', 'certificate', 'kubernetes']),
    }),
    component: lazyRouteComponent(() => import('./clusters-page.tsx'), 'ClustersPage'),
  }),
  createRoute({
    getParentRoute: () => shellRoute,
    path: '/clusters/$name',
    validateSearch: z.object({
      tab: choiceParam(['policies', 'violations', 'events']),
      q: textParam,
      phase: phaseParam,
      severity: choiceParam(['info', 'warning', 'alert']),
      sort: sortParam(['name', 'target', 'phase', 'violations', 'updated', 'policy', 'namespace', 'region', 'since']),
    }),
    component: lazyRouteComponent(() => import('./cluster-page.tsx'), 'ClusterPage'),
  }),
] as const;
