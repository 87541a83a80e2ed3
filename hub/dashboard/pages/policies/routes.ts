import { createRoute, lazyRouteComponent } from '@tanstack/react-router';
import { z } from 'zod';
import { shellRoute } from '../../app/root-route.tsx';
import { choiceParam, clusterParam, namespaceParam, regionParam, sortParam, textParam } from '../../app/search-params.ts';

const flag = choiceParam(['true', 'false']);
const phase = choiceParam(['Active', 'Pending', 'Failed', 'Expired']);

export const policiesRoutes = [
  createRoute({
    getParentRoute: () => shellRoute,
    path: '/policies',
    validateSearch: z.object({
      q: textParam,
      phase,
      action: choiceParam(['deny', 'warn', 'dryrun', 'custom']),
      cluster: clusterParam,
      namespace: namespaceParam,
      region: regionParam,
      managedBy: choiceParam(['hub', 'local']),
      expiring: flag,
      violating: flag,
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
      phase,
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
