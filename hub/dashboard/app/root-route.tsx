import { createRootRoute, createRoute, Outlet } from '@tanstack/react-router';
import { Shell } from './shell.tsx';

export const rootRoute = createRootRoute({ component: Outlet });

/** Parent of every page that stands in the layout with masthead and list of pages. */
export const shellRoute = createRoute({ getParentRoute: () => rootRoute, id: 'shell', component: Shell });
