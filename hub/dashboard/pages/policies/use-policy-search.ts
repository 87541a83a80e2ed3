import { getRouteApi } from '@tanstack/react-router';
import { useSearchChange } from '../../lib/filters.ts';

const route = getRouteApi('/shell/policies/$');

/** Key of the policy that the page shows. */
export const usePolicyKey = (): string => route.useParams()._splat ?? '';

/**
 * Search parameters of a tab. Changes of filters and sort replace the current entry in the
 * browser's history; changes of the tab add one.
 */
export const usePolicySearch = () => {
  const search = route.useSearch();
  const navigate = route.useNavigate();
  const change = useSearchChange();
  return {
    search,
    change,
    /** @param tab undefined for the overview */
    openTab: (tab: (typeof search)['tab']): void => void navigate({ search: tab === undefined ? {} : { tab }, resetScroll: false }),
  };
};
