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

/** The router does not retry a failed load, so the page reloads, by itself once the hub is back. */
const useReload = (): (() => void) | undefined => {
  const { kind } = useLiveState();
  const wasAway = useRef(false);
  useEffect(() => {
    if (kind === 'reconnecting' || kind === 'unreachable') wasAway.current = true;
    else if (kind === 'live' && wasAway.current) window.location.reload();
  }, [kind]);
  // While the hub does not answer, a reload would leave an empty page.
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
  /** Token of the link that opened the page, if it brought one. */
  readonly linkToken: string | undefined;
}

export const rootRoute = createRootRouteWithContext<RouterContext>()({
  component: Outlet,
  // Within the layout, so that the reader of an old link can go on.
  notFoundComponent: () => (
    <Shell>
      <PageNotFound />
    </Shell>
  ),
});

/**
 * Redirects to the login without a session, before a page makes a request. The page shows a hub
 * that does not answer.
 */
const requireSession = async ({ queryClient }: RouterContext, returnTo: string): Promise<void> => {
  const known = queryClient.getQueryData(sessionQuery.queryKey) !== undefined;
  // Over a page that stands already lies the dialog.
  if (known || isSessionEnded()) return;
  const error: unknown = await queryClient.fetchQuery(sessionQuery).catch((reason: unknown) => reason);
  if (!isUnauthorized(error)) return;
  markSessionRenewed();
  throw redirect({ to: '/login', search: { returnTo } });
};

/** Parent of every page that stands in the layout with masthead and list of pages. */
export const shellRoute = createRoute({
  getParentRoute: () => rootRoute,
  id: 'shell',
  beforeLoad: ({ context, location }) => requireSession(context, location.href),
  component: Shell,
});

/** Route of a page with the frame of the application. */
export const pageRoute = <const Path extends string, Search extends AnyValidator = undefined>(page: {
  readonly path: Path;
  readonly validateSearch?: Search;
  readonly component: RouteComponent;
}) => createRoute({ getParentRoute: () => shellRoute, ...page });
