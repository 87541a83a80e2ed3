import { getRouteApi } from '@tanstack/react-router';
import { useSearchChange } from '../../components/filters.ts';

const route = getRouteApi('/shell/clusters/$name');

/**
 * What the URL says of the list of a tab.
 *
 * @param sorts what the list can be sorted by: another tab's order does not count
 */
export const useTabSearch = (sorts: readonly string[], preferred: string) => {
  const { sort } = route.useSearch();
  const change = useSearchChange();
  return {
    sort: sort !== undefined && sorts.includes(sort.replace(/^-/, '')) ? sort : preferred,
    change,
    clear: (): void => change({ q: undefined, phase: undefined, severity: undefined }),
  };
};
