import { PageSection } from '@patternfly/react-core';
import type { QueryClient } from '@tanstack/react-query';
import {
  type AnyValidator,
  createRootRouteWithContext,
  createRoute,
  type ErrorComponentProps,
  Link,
  Outlet,
  type RouteComponent,
  redirect,
} from '@tanstack/react-router';
import { useEffect, useRef } from 'react';
import { isUnauthorized } from '../api/client.ts';
import { isSessionEnded, markSessionRenewed, sessionQuery } from '../api/session.ts';
import { ErrorState, Loading } from '../components/empty-states.tsx';
import { Page } from '../components/page-header.tsx';
import { useLiveState } from './live/live-status.tsx';
import { Shell } from './shell.tsx';

export const PagePending = () => (
  <PageSection hasBodyWrapper={false}>
    <Loading what="Loading the page" />
  </PageSection>
);

/**
 * Returns a function that reloads the page. The router does not retry a failed load, so the page
 * also reloads by itself once the hub is back.
 */
const useReload = (): (() => void) | undefined => {
  const { kind } = useLiveState();
  const wasAway = useRef(false);
  useEffect(() => {
    if (kind === 'reconnecting' || kind === 'unreachable') wasAway.current = true;
    else if (kind === 'live' && wasAway.current) window.location.reload();
  }, [kind]);
  // While the hub is unreachable, a reload would leave an empty page.
  return kind === 'live' ? () => window.location.reload() : undefined;
};

export const PageError = ({ error }: ErrorComponentProps) => (
  <PageSection hasBodyWrapper={false}>
    <ErrorState error={error} what="this page" onRetry={useReload()} />
  </PageSection>
);

export const PageNotFound = () => (
  <Page title="Page not found">
    This page does not exist. <Link to="/">Go to the overview</Link>
  </Page>
);

interface RouterContext {
  readonly queryClient: QueryClient;
  /** Token of the link that opened the page, if any. */
  readonly linkToken: string | undefined;
}

export const rootRoute = createRootRouteWithContext<RouterContext>()({
  component: Outlet,
  // Inside the layout, so that users of an old link can navigate on.
  notFoundComponent: () => (
    <Shell>
      <PageNotFound />
    </Shell>
  ),
});

/**
 * Redirects to the login if there is no session, before the page makes a request. If the hub is
 * unreachable, the page shows that.
 */
const requireSession = async ({ queryClient }: RouterContext, returnTo: string): Promise<void> => {
  const known = queryClient.getQueryData(sessionQuery.queryKey) !== undefined;
  // On a page that is already shown, the session dialog opens instead.
  if (known || isSessionEnded()) return;
  const error: unknown = await queryClient.fetchQuery(sessionQuery).catch((reason: unknown) => reason);
  if (!isUnauthorized(error)) return;
  markSessionRenewed();
  throw redirect({ to: '/login', search: { returnTo } });
};

/** Parent of every page with the layout: masthead and navigation. */
export const shellRoute = createRoute({
  getParentRoute: () => rootRoute,
  id: 'shell',
  beforeLoad: ({ context, location }) => requireSession(context, location.href),
  component: Shell,
});

/** Creates the route of a page inside the layout. */
export const pageRoute = <const Path extends string, Search extends AnyValidator = undefined>(page: {
  readonly path: Path;
  readonly validateSearch?: Search;
  readonly component: RouteComponent;
}) => createRoute({ getParentRoute: () => shellRoute, ...page });
