import { createRoute, lazyRouteComponent } from '@tanstack/react-router';
import { z } from 'zod';
import { shellRoute } from '../../app/root-route.tsx';
import { choiceParam, clusterParam, policyParam, textParam } from '../../app/search-params.ts';
import { SPANS } from './period.ts';

const period = {
  span: choiceParam(SPANS),
  since: z.iso.datetime({ offset: true }).optional().catch(undefined),
  until: z.iso.datetime({ offset: true }).optional().catch(undefined),
};
const about = { cluster: clusterParam, policy: policyParam };

/** Number of the entry that is open. */
const open = z
  .string()
  .regex(/^[1-9]\d{0,14}$/)
  .optional()
  .catch(undefined);

export const auditRoutes = [
  createRoute({
    getParentRoute: () => shellRoute,
    path: '/audit',
    validateSearch: z.object({ ...period, ...about, actor: textParam, action: textParam, subject: textParam, open }),
    component: lazyRouteComponent(() => import('./entries-page.tsx'), 'EntriesPage'),
  }),
  createRoute({
    getParentRoute: () => shellRoute,
    path: '/audit/events',
    validateSearch: z.object({ ...period, ...about, q: textParam, severity: choiceParam(['info', 'warning', 'alert']) }),
    component: lazyRouteComponent(() => import('./events-page.tsx'), 'EventsPage'),
  }),
  createRoute({
    getParentRoute: () => shellRoute,
    path: '/audit/verification',
    component: lazyRouteComponent(() => import('./verification-page.tsx'), 'VerificationPage'),
  }),
] as const;
