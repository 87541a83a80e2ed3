import { createRoute, lazyRouteComponent } from '@tanstack/react-router';
import { z } from 'zod';
import { shellRoute } from '../../app/root-route.tsx';
import { choiceParam, sortParam, textParam } from '../../app/search-params.ts';

export const activityRoutes = [
  createRoute({
    getParentRoute: () => shellRoute,
    path: '/activity',
    component: lazyRouteComponent(() => import('./activity-page.tsx'), 'ActivityPage'),
  }),
  createRoute({
    getParentRoute: () => shellRoute,
    path: '/activity/$revision',
    validateSearch: z.object({
      q: textParam,
      at: choiceParam(['refused', 'offer', 'accept', 'write', 'prove', 'proven']),
      sort: sortParam(['cluster', 'at', 'offered', 'accepted', 'written', 'proven', 'total']),
    }),
    component: lazyRouteComponent(() => import('./commit-page.tsx'), 'CommitPage'),
  }),
] as const;
