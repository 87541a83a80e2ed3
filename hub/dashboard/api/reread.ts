import type { Page } from '@fso/shared/api';
import type { Query } from '@tanstack/react-query';

/** How the first page of a list is read again. */
interface Reread {
  readonly first: () => Promise<Page<unknown>>;
  /** Identity of a row. */
  readonly keyOf: (row: unknown) => string;
}

/** As `meta` of a query. */
export const rereadMeta = <T>(first: () => Promise<Page<T>>, keyOf: (row: T) => string): { readonly reread: Reread } => ({
  reread: { first, keyOf: (row) => keyOf(row as T) },
});

export const rereadOf = ({ meta }: Query): Reread | undefined => meta?.['reread'] as Reread | undefined;
