import { createRoute, lazyRouteComponent } from '@tanstack/react-router';
import { z } from 'zod';
import { rootRoute } from '../root-route.tsx';
import { SIGNED_IN } from './session-dialog.tsx';

export const sessionRoutes = [
  createRoute({
    getParentRoute: () => rootRoute,
    path: '/login',
    validateSearch: z.object({ returnTo: z.string().max(2048).optional().catch(undefined) }),
    component: lazyRouteComponent(() => import('./login-page.tsx'), 'LoginPage'),
  }),
  createRoute({
    getParentRoute: () => rootRoute,
    path: SIGNED_IN,
    component: lazyRouteComponent(() => import('./signed-in-page.tsx'), 'SignedInPage'),
  }),
] as const;
