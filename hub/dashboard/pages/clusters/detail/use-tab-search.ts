import { getRouteApi } from '@tanstack/react-router';
import { ownSort, useSearchChange } from '../../../lib/filters.ts';

const route = getRouteApi('/shell/clusters/$name');

/**
 * Search parameters of the list of a tab.
 *
 * @param sorts what the list can be sorted by: another tab's order does not count
 */
export const useTabSearch = (sorts: readonly string[], preferred: string) => {
  const { sort } = route.useSearch();
  const change = useSearchChange();
  return {
    sort: ownSort(sort, sorts, preferred),
    change,
    clear: (): void => change({ q: undefined, phase: undefined, severity: undefined }),
  };
};
