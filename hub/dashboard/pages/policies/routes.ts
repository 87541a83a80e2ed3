import { createRoute, lazyRouteComponent } from '@tanstack/react-router';
import { z } from 'zod';
import { shellRoute } from '../../app/root-route.tsx';
import {
  actionParam,
  choiceParam,
  clusterParam,
  flagParam,
  namespaceParam,
  phaseParam,
  regionParam,
  sortParam,
  textParam,
} from '../../app/search-params.ts';

export const policiesRoutes = [
  createRoute({
    getParentRoute: () => shellRoute,
    path: '/policies',
    validateSearch: z.object({
      q: textParam,
      phase: phaseParam,
      action: actionParam,
      cluster: clusterParam,
      namespace: namespaceParam,
      region: regionParam,
      managedBy: choiceParam(['hub', 'local']),
      expiring: flagParam,
      violating: flagParam,
      sort: sortParam(['name', 'target', 'phase', 'violations', 'expiry', 'updated']),
    }),
    component: lazyRouteComponent(() => import('./policies-page.tsx'), 'PoliciesPage'),
  }),
  createRoute({
    getParentRoute: () => shellRoute,
    path: '/policies/$namespace/$name',
    validateSearch: z.object({
      tab: choiceParam(['clusters', 'source', 'labels', 'violations', 'history']),
      q: textParam,
      phase: phaseParam,
      locks: choiceParam(['enforced', 'other', 'Degraded', 'Pending', 'Unavailable']),
      known: choiceParam(['now', 'last', 'never']),
      differs: choiceParam(['true']),
      revision: textParam,
      sort: sortParam([
        'cluster',
        'phase',
        'admission',
        'binding',
        'gatekeeper',
        'namespaces',
        'violations',
        'namespace',
        'name',
        'region',
        'since',
      ]),
    }),
    component: lazyRouteComponent(() => import('./policy-page.tsx'), 'PolicyPage'),
  }),
] as const;
