import { PageSection } from '@patternfly/react-core';
import { type ErrorComponentProps, Link } from '@tanstack/react-router';
import { PageHeader } from '../components/page-header.tsx';
import { ErrorState, Loading } from '../components/states.tsx';

export const PagePending = () => (
  <PageSection hasBodyWrapper={false}>
    <Loading what="Loading the page" />
  </PageSection>
);

export const PageError = ({ error, reset }: ErrorComponentProps) => (
  <PageSection hasBodyWrapper={false}>
    <ErrorState error={error} what="this page" onRetry={reset} />
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
