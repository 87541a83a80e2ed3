import { useNavigate } from '@tanstack/react-router';
import { useCallback } from 'react';
import { clusterSearch } from '../lib/region-text.ts';
import type { Target } from './map-option.ts';

/** A marker of clusters leads to them, one of a region to all that is allowed there. */
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
