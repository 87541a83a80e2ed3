import { ALERT_NAMES, ALERT_SEVERITIES, ALERT_STATES } from '@fso/shared/api';
import type { QueryClient } from '@tanstack/react-query';
import { createRoute, createRouter, lazyRouteComponent } from '@tanstack/react-router';
import { z } from 'zod';
import { SPANS } from '../pages/audit/period.ts';
import { complianceRoutes } from './compliance-routes.ts';
import { PageError, PageNotFound, PagePending, pageRoute, rootRoute, shellRoute } from './root-route.tsx';
import {
  actionParam,
  choiceParam,
  clusterParam,
  countryParam,
  flagParam,
  labelParam,
  namespaceParam,
  parseSearch,
  patternParam,
  phaseParam,
  policyParam,
  providerParam,
  regionParam,
  sortParam,
  stringifySearch,
  textParam,
  timeParam,
} from './search-params.ts';
import { SIGNED_IN } from './session/session-dialog.tsx';

const sessionRoutes = [
  createRoute({
    getParentRoute: () => rootRoute,
    path: '/login',
    validateSearch: z.object({ returnTo: z.string().max(2048).optional().catch(undefined) }),
    component: lazyRouteComponent(() => import('./session/login-page.tsx'), 'LoginPage'),
  }),
  createRoute({
    getParentRoute: () => rootRoute,
    path: SIGNED_IN,
    component: lazyRouteComponent(() => import('./session/login-page.tsx'), 'SignedInPage'),
  }),
] as const;

const policiesRoute = createRoute({ getParentRoute: () => shellRoute, path: '/policies' });

const policiesRoutes = [
  createRoute({
    getParentRoute: () => policiesRoute,
    path: '/',
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
    component: lazyRouteComponent(() => import('../pages/policies/list/policies-page.tsx'), 'PoliciesPage'),
  }),
  createRoute({
    getParentRoute: () => policiesRoute,
    // The rest of the path is the policy's key: `finance`, or `team-a/finance` for a local policy.
    path: '$',
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
    component: lazyRouteComponent(() => import('../pages/policies/detail/policy-page.tsx'), 'PolicyPage'),
  }),
] as const;

const period = {
  span: choiceParam(SPANS),
  since: timeParam,
  until: timeParam,
};
const subject = { cluster: clusterParam, policy: policyParam };

/** Number of the open entry. */
const openedEntry = patternParam(/^[1-9]\d{0,14}$/);

const pageRoutes = [
  pageRoute({
    path: '/',
    validateSearch: z.object({ range: choiceParam(['7d', '30d']) }),
    component: lazyRouteComponent(() => import('../pages/overview/overview-page.tsx'), 'OverviewPage'),
  }),
  pageRoute({
    path: '/clusters',
    validateSearch: z.object({
      q: textParam,
      connection: choiceParam(['Connected', 'Disconnected', 'NeverSeen']),
      inSync: flagParam,
      observed: flagParam,
      violating: flagParam,
      tampered: flagParam,
      refusing: flagParam,
      locksReady: flagParam,
      region: regionParam,
      provider: providerParam,
      country: countryParam,
      sort: sortParam(['name', 'connection', 'violations', 'seen', 'certificate', 'kubernetes']),
    }),
    component: lazyRouteComponent(() => import('../pages/clusters/clusters-page.tsx'), 'ClustersPage'),
  }),
  pageRoute({
    path: '/clusters/$name',
    validateSearch: z.object({
      tab: choiceParam(['policies', 'violations', 'events']),
      q: textParam,
      phase: phaseParam,
      severity: choiceParam(['info', 'warning', 'alert']),
      sort: sortParam(['name', 'target', 'phase', 'violations', 'updated', 'policy', 'namespace', 'region', 'since']),
    }),
    component: lazyRouteComponent(() => import('../pages/clusters/detail/cluster-page.tsx'), 'ClusterPage'),
  }),
  ...complianceRoutes,
  pageRoute({
    path: '/alerts',
    validateSearch: z.object({
      q: textParam,
      state: choiceParam(ALERT_STATES),
      severity: choiceParam(ALERT_SEVERITIES),
      name: choiceParam(ALERT_NAMES),
      cluster: clusterParam,
      policy: policyParam,
      team: labelParam,
      sort: sortParam(['state', 'started', 'name', 'cluster']),
      /** Fingerprint of the open alert. */
      open: patternParam(/^[0-9a-f]{16}$/),
    }),
    component: lazyRouteComponent(() => import('../pages/alerts/alerts-page.tsx'), 'AlertsPage'),
  }),
  pageRoute({
    path: '/alerts/silences',
    component: lazyRouteComponent(() => import('../pages/alerts/silences-page.tsx'), 'SilencesPage'),
  }),
  pageRoute({
    path: '/alerts/receivers',
    component: lazyRouteComponent(() => import('../pages/alerts/receivers-page.tsx'), 'ReceiversPage'),
  }),
  pageRoute({
    path: '/audit',
    validateSearch: z.object({ ...period, ...subject, actor: textParam, action: textParam, subject: textParam, open: openedEntry }),
    component: lazyRouteComponent(() => import('../pages/audit/entries-page.tsx'), 'EntriesPage'),
  }),
  pageRoute({
    path: '/audit/events',
    validateSearch: z.object({ ...period, ...subject, q: textParam, severity: choiceParam(['info', 'warning', 'alert']) }),
    component: lazyRouteComponent(() => import('../pages/audit/events-page.tsx'), 'EventsPage'),
  }),
  pageRoute({
    path: '/audit/verification',
    component: lazyRouteComponent(() => import('../pages/audit/verification-page.tsx'), 'VerificationPage'),
  }),
  pageRoute({
    path: '/plan',
    validateSearch: z.object({ policy: policyParam }),
    component: lazyRouteComponent(() => import('../pages/plan/plan-page.tsx'), 'PlanPage'),
  }),
  pageRoute({
    path: '/plan/$id',
    component: lazyRouteComponent(() => import('../pages/plan/stored-plan-page.tsx'), 'StoredPlanPage'),
  }),
  pageRoute({
    path: '/rollout',
    component: lazyRouteComponent(() => import('../pages/rollout/rollout-page.tsx'), 'RolloutPage'),
  }),
  pageRoute({
    path: '/activity',
    component: lazyRouteComponent(() => import('../pages/activity/activity-page.tsx'), 'ActivityPage'),
  }),
  pageRoute({
    path: '/activity/$revision',
    validateSearch: z.object({
      q: textParam,
      at: choiceParam(['refused', 'offer', 'accept', 'write', 'prove', 'proven']),
      sort: sortParam(['cluster', 'at', 'offered', 'accepted', 'written', 'proven', 'total']),
    }),
    component: lazyRouteComponent(() => import('../pages/activity/commit-page.tsx'), 'CommitPage'),
  }),
] as const;

const routeTree = rootRoute.addChildren([
  ...sessionRoutes,
  shellRoute.addChildren([...pageRoutes, policiesRoute.addChildren(policiesRoutes)]),
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
