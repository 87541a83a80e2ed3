import type { Page } from '@fso/shared/api';
import type { InfiniteData } from '@tanstack/react-query';

/** Rows of a list, as far as they are read. */
export const rowsOf = <T>(data: InfiniteData<Page<T>> | undefined): readonly T[] => data?.pages.flatMap(({ items }) => items) ?? [];
