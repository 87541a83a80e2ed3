import { DENIAL_GROUPS, Region, RISK_CLASSES, RISK_GROUPS, VIOLATION_GROUPS } from '@fso/shared/api';
import { lazyRouteComponent } from '@tanstack/react-router';
import { z } from 'zod';
import { NO_REGION } from '../pages/compliance/group-target.ts';
import { pageRoute } from './root-route.tsx';
import {
  actionParam,
  choiceParam,
  clusterParam,
  labelParam,
  longTextParam,
  namespaceParam,
  policyParam,
  sortParam,
  textParam,
} from './search-params.ts';

/** Filter parameters of lists of objects in clusters. */
const objectParams = {
  policy: policyParam,
  cluster: clusterParam,
  namespace: namespaceParam,
  kind: labelParam,
  name: textParam,
};

export const complianceRoutes = [
  pageRoute({
    path: '/compliance',
    validateSearch: z.object({
      q: textParam,
      ...objectParams,
      region: z.literal(NO_REGION).or(Region).optional().catch(undefined),
      action: actionParam,
      sort: sortParam(['cluster', 'policy', 'namespace', 'name', 'region', 'since']),
      /** Absent: the list itself. */
      by: choiceParam(VIOLATION_GROUPS),
      groupSort: sortParam(['violations', 'key']),
      /** Key of the open violation; see api/queries.ts. */
      open: longTextParam,
    }),
    component: lazyRouteComponent(() => import('../pages/compliance/violations-page.tsx'), 'ViolationsPage'),
  }),
  pageRoute({
    path: '/compliance/risks',
    validateSearch: z.object({
      q: textParam,
      risk: choiceParam(RISK_CLASSES),
      ...objectParams,
      sort: sortParam(['cluster', 'policy', 'namespace', 'name', 'risk', 'refused', 'pending', 'key']),
      /** Absent: the list itself. */
      by: choiceParam(RISK_GROUPS),
    }),
    component: lazyRouteComponent(() => import('../pages/compliance/risks-page.tsx'), 'RisksPage'),
  }),
  pageRoute({
    path: '/compliance/denials',
    validateSearch: z.object({
      q: textParam,
      ...objectParams,
      sort: sortParam(['cluster', 'namespace', 'name', 'count', 'since', 'last', 'owners', 'key']),
      /** Absent: the list itself. */
      by: choiceParam(DENIAL_GROUPS),
    }),
    component: lazyRouteComponent(() => import('../pages/compliance/denials-page.tsx'), 'DenialsPage'),
  }),
  pageRoute({
    path: '/compliance/checker',
    validateSearch: z.object({
      by: choiceParam(['policy', 'namespace', 'regions']),
      policy: policyParam,
      cluster: clusterParam,
      namespace: namespaceParam,
      regions: longTextParam,
      /** Key of the reported violation that was picked; see api/queries.ts. */
      picked: longTextParam,
    }),
    component: lazyRouteComponent(() => import('../pages/compliance/checker/checker-page.tsx'), 'CheckerPage'),
  }),
  pageRoute({
    path: '/compliance/report',
    component: lazyRouteComponent(() => import('../pages/compliance/report-page.tsx'), 'ReportPage'),
  }),
] as const;
