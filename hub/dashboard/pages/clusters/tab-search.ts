import { getRouteApi } from '@tanstack/react-router';
import type { Values } from '../../components/search-toolbar.tsx';

const route = getRouteApi('/shell/clusters/$name');

/**
 * What the URL says of the list of a tab.
 *
 * @param sorts what the list can be sorted by: another tab's order does not count
 */
export const useTabSearch = (sorts: readonly string[], preferred: string) => {
  const { sort } = route.useSearch();
  const navigate = route.useNavigate();
  const change = (changed: Values): void => void navigate({ search: (old) => ({ ...old, ...changed }) as typeof old, replace: true });
  return {
    sort: sort !== undefined && sorts.includes(sort.replace(/^-/, '')) ? sort : preferred,
    change,
    clear: (): void => change({ q: undefined, phase: undefined, severity: undefined }),
  };
};
