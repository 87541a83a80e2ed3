import { Region, VIOLATION_GROUPS } from '@fso/shared/api';
import { createRoute, lazyRouteComponent } from '@tanstack/react-router';
import { z } from 'zod';
import { shellRoute } from '../../app/root-route.tsx';
import { actionParam, choiceParam, clusterParam, namespaceParam, policyParam, sortParam, textParam } from '../../app/search-params.ts';
import { NO_REGION } from './group-target.ts';

const longTextParam = z.string().min(1).max(2000).optional().catch(undefined);

export const complianceRoutes = [
  createRoute({
    getParentRoute: () => shellRoute,
    path: '/compliance',
    validateSearch: z.object({
      q: textParam,
      policy: policyParam,
      cluster: clusterParam,
      namespace: namespaceParam,
      kind: z.string().min(1).max(63).optional().catch(undefined),
      name: textParam,
      region: z.literal(NO_REGION).or(Region).optional().catch(undefined),
      action: actionParam,
      sort: sortParam(['cluster', 'policy', 'namespace', 'name', 'region', 'since']),
      /** Absent: the list itself. */
      by: choiceParam(VIOLATION_GROUPS),
      groupSort: sortParam(['violations', 'key']),
      /** The violation that is open, see violation-ref.ts. */
      open: longTextParam,
    }),
    component: lazyRouteComponent(() => import('./violations-page.tsx'), 'ViolationsPage'),
  }),
  createRoute({
    getParentRoute: () => shellRoute,
    path: '/compliance/checker',
    validateSearch: z.object({
      by: choiceParam(['policy', 'namespace', 'regions']),
      policy: policyParam,
      cluster: clusterParam,
      namespace: namespaceParam,
      regions: longTextParam,
      /** The reported violation that was picked, see violation-ref.ts. */
      picked: longTextParam,
    }),
    component: lazyRouteComponent(() => import('../checker/checker-page.tsx'), 'CheckerPage'),
  }),
  createRoute({
    getParentRoute: () => shellRoute,
    path: '/compliance/report',
    component: lazyRouteComponent(() => import('./report-page.tsx'), 'ReportPage'),
  }),
] as const;
