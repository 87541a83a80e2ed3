import type { ReactNode } from 'react';
import { ErrorState, Loading } from './states.tsx';

interface QueryViewProps<T> {
  /** Of one answer, or of a list that is read page by page. */
  readonly query: { readonly data: T | undefined; readonly error: unknown; readonly isError: boolean; readonly refetch: () => unknown };
  /** What is read, e.g. `the policy`. */
  readonly what: string;
  readonly lines?: number;
  readonly children: (data: T) => ReactNode;
}

/** The states of one query. What was read once stays on screen while it cannot be read again: the masthead says so. */
export const QueryView = <T,>({ query, what, lines = 5, children }: QueryViewProps<T>) => {
  if (query.data !== undefined) return children(query.data);
  if (query.isError) return <ErrorState error={query.error} what={what} onRetry={() => void query.refetch()} />;
  return <Loading what={`Loading ${what}`} lines={lines} />;
};
