import { useNavigate } from '@tanstack/react-router';
import { useCallback } from 'react';
import { clusterSearch } from '../lib/region-text.ts';
import type { Target } from './map-option.ts';

/**
 * Returns a function that opens the page of a marker: its clusters, or for a region the policies
 * that allow it.
 */
export const useFollow = (): ((target: Target) => void) => {
  const navigate = useNavigate();
  return useCallback(
    ({ region, provider, clusters }) => {
      const [name] = clusters;
      if (clusters.length === 1 && name !== undefined) void navigate({ to: '/clusters/$name', params: { name } });
      else if (clusters.length > 1) void navigate({ to: '/clusters', search: clusterSearch({ region, provider }) });
      else void navigate({ to: '/policies', search: { region } });
    },
    [navigate],
  );
};
