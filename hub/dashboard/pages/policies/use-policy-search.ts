import { getRouteApi } from '@tanstack/react-router';
import type { Values } from '../../components/search-toolbar.tsx';

const route = getRouteApi('/shell/policies/$namespace/$name');

export const usePolicyParams = () => route.useParams();

/** What the URL says of a tab, and how to change it: filters and sort replace the entry in the browser's history, tabs add one. */
export const usePolicySearch = () => {
  const search = route.useSearch();
  const navigate = route.useNavigate();
  return {
    search,
    change: (changed: Values): void => void navigate({ search: (old) => ({ ...old, ...changed }) as typeof old, replace: true }),
    /** @param tab undefined: the overview */
    openTab: (tab: (typeof search)['tab']): void => void navigate({ search: tab === undefined ? {} : { tab }, resetScroll: false }),
  };
};
