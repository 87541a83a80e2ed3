import { messageOf } from '@fso/shared/text';
import { Alert, Button, EmptyState, EmptyStateActions, EmptyStateBody, EmptyStateFooter, Skeleton } from '@patternfly/react-core';
import SearchIcon from '@patternfly/react-icons/dist/esm/icons/search-icon';
import type { ReactNode } from 'react';
import { ApiProblem, isForbidden, isNotFound } from '../api/client.ts';
import { RelativeTime } from './text.tsx';

/** Widths of the bars of a placeholder, like lines of text. */
const LINES = ['95%', '78%', '88%', '61%', '83%', '70%', '92%', '66%', '86%', '74%'];

/** Placeholder while data loads. @param lines expected number of lines, at most 10 */
export const Loading = ({ what = 'Loading', lines = 5 }: { readonly what?: string; readonly lines?: number }) => (
  <div role="status" aria-label={what} className="fso-loading">
    {LINES.slice(0, lines).map((width) => (
      <Skeleton key={width} width={width} />
    ))}
  </div>
);

interface EmptyProps {
  readonly title: string;
  readonly children?: ReactNode;
  /** Clears the filters; set if the filters may be why nothing is shown. */
  readonly onClear?: (() => void) | undefined;
}

/** Text for an empty list, with a possible reason. */
export const Empty = ({ title, children, onClear }: EmptyProps) => (
  <EmptyState titleText={title} headingLevel="h2" variant="sm" icon={SearchIcon}>
    {children === undefined ? null : <EmptyStateBody>{children}</EmptyStateBody>}
    {onClear === undefined ? null : (
      <EmptyStateFooter>
        <EmptyStateActions>
          <Button variant="link" onClick={onClear}>
            Clear all filters
          </Button>
        </EmptyStateActions>
      </EmptyStateFooter>
    )}
  </EmptyState>
);

const titleOf = (error: unknown, what: string): string => {
  if (isForbidden(error)) return `You may not see ${what}`;
  if (isNotFound(error)) return 'Not found';
  return `Could not read ${what}`;
};

interface ErrorStateProps {
  readonly error: unknown;
  /** Name of the data, e.g. `the policies`. */
  readonly what: string;
  readonly onRetry?: (() => void) | undefined;
}

/** A failed read: the reason, the request id to find in the hub's log, and a retry. */
export const ErrorState = ({ error, what, onRetry }: ErrorStateProps) => (
  <EmptyState titleText={titleOf(error, what)} headingLevel="h2" variant="sm" status={isNotFound(error) ? 'info' : 'danger'}>
    <EmptyStateBody>
      {messageOf(error)}
      {isForbidden(error) ? ' Ask an administrator of this hub.' : null}
      {error instanceof ApiProblem && error.problem.requestId !== '' ? (
        <div className="fso-muted">
          Request <code>{error.problem.requestId}</code>
        </div>
      ) : null}
    </EmptyStateBody>
    {onRetry === undefined ? null : (
      <EmptyStateFooter>
        <EmptyStateActions>
          <Button variant="primary" onClick={onRetry}>
            Try again
          </Button>
        </EmptyStateActions>
      </EmptyStateFooter>
    )}
  </EmptyState>
);

/** Warning that only the last known state is shown, and since when. */
export const StaleBanner = ({ since, children }: { readonly since: string | null; readonly children: ReactNode }) => (
  <Alert isInline variant="warning" title={children} component="p">
    {since === null ? null : (
      <>
        Last seen <RelativeTime time={since} />.
      </>
    )}
  </Alert>
);

interface QueryViewProps<T> {
  /** Query of a single result or of a paged list. */
  readonly query: { readonly data: T | undefined; readonly error: unknown; readonly isError: boolean; readonly refetch: () => unknown };
  /** Name of the data, e.g. `the policy`. */
  readonly what: string;
  readonly lines?: number;
  readonly children: (data: T) => ReactNode;
}

/**
 * Shows a query in each of its states. Data that cannot be refreshed stays on screen: the masthead
 * shows that it may be stale.
 */
export const QueryView = <T,>({ query, what, lines = 5, children }: QueryViewProps<T>) => {
  if (query.data !== undefined) return children(query.data);
  if (query.isError) return <ErrorState error={query.error} what={what} onRetry={() => void query.refetch()} />;
  return <Loading what={`Loading ${what}`} lines={lines} />;
};
