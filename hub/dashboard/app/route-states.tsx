import { PageSection } from '@patternfly/react-core';
import { type ErrorComponentProps, Link } from '@tanstack/react-router';
import { useEffect, useRef } from 'react';
import { PageHeader } from '../components/page-header.tsx';
import { ErrorState, Loading } from '../components/states.tsx';
import { useLiveState } from './live/live-state.ts';

export const PagePending = () => (
  <PageSection hasBodyWrapper={false}>
    <Loading what="Loading the page" />
  </PageSection>
);

/** The router does not ask again for what it could not load: the page begins anew, by itself once the hub is back. */
const useBeginAnew = (): (() => void) | undefined => {
  const { kind } = useLiveState();
  const wasAway = useRef(false);
  useEffect(() => {
    if (kind === 'reconnecting' || kind === 'unreachable') wasAway.current = true;
    else if (kind === 'live' && wasAway.current) window.location.reload();
  }, [kind]);
  // While nobody answers, the browser would have nothing to show at all.
  return kind === 'live' ? () => window.location.reload() : undefined;
};

export const PageError = ({ error }: ErrorComponentProps) => (
  <PageSection hasBodyWrapper={false}>
    <ErrorState error={error} what="this page" onRetry={useBeginAnew()} />
  </PageSection>
);

export const PageNotFound = () => (
  <>
    <PageHeader title="Page not found" />
    <PageSection hasBodyWrapper={false}>
      There is no such page. <Link to="/">To the overview</Link>
    </PageSection>
  </>
);
