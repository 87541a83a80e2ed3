import type { QueryClient } from '@tanstack/react-query';
import { createRootRouteWithContext, createRoute, Outlet, redirect } from '@tanstack/react-router';
import { isUnauthorized } from '../api/problem.ts';
import { sessionQuery } from '../api/session.ts';
import { isSessionEnded, sessionIsBack } from '../api/session-state.ts';
import { PageNotFound } from './route-states.tsx';
import { Shell } from './shell.tsx';

interface RouterContext {
  readonly queryClient: QueryClient;
  /** Of the link that opened the page, if it brought one. */
  readonly linkToken: string | undefined;
}

export const rootRoute = createRootRouteWithContext<RouterContext>()({
  component: Outlet,
  // Within the layout, so that whoever followed an old link can go on.
  notFoundComponent: () => (
    <Shell>
      <PageNotFound />
    </Shell>
  ),
});

/** Who is not signed in is sent to the login, before a page asks for anything; a hub that does not answer is shown by the page. */
const requireSession = async ({ queryClient }: RouterContext, returnTo: string): Promise<void> => {
  const known = queryClient.getQueryData(sessionQuery.queryKey) !== undefined;
  // Over a page that stands already lies the dialog.
  if (known || isSessionEnded()) return;
  const error: unknown = await queryClient.fetchQuery(sessionQuery).catch((reason: unknown) => reason);
  if (!isUnauthorized(error)) return;
  sessionIsBack();
  throw redirect({ to: '/login', search: { returnTo } });
};

/** Parent of every page that stands in the layout with masthead and list of pages. */
export const shellRoute = createRoute({
  getParentRoute: () => rootRoute,
  id: 'shell',
  beforeLoad: ({ context, location }) => requireSession(context, location.href),
  component: Shell,
});
