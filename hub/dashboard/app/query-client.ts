import { MutationCache, QueryCache, QueryClient } from '@tanstack/react-query';
import { ApiProblem, isUnauthorized } from '../api/client.ts';
import { markSessionEnded } from '../api/session.ts';

const RETRIES = 2;
/** Longest wait for a busy hub, whatever time it asks for. */
const MAX_WAIT_MS = 10_000;

/**
 * Whether to retry a failed read. A refusal would be repeated; a server that is down may recover.
 */
export const mayRetry = (failures: number, error: unknown): boolean =>
  failures < RETRIES && !(error instanceof ApiProblem && error.status < 500 && error.status !== 429);

/** Delay before a retry in milliseconds: the time that the hub asks for, else doubling. */
export const retryWaitMs = (failures: number, error: unknown): number => {
  const asked = error instanceof ApiProblem ? error.retryAfterS : undefined;
  return Math.min(MAX_WAIT_MS, asked === undefined ? 500 * 2 ** failures : asked * 1000);
};

const watchSession = (error: unknown): void => {
  if (isUnauthorized(error)) markSessionEnded();
};

/** Creates the cache of queries. Data stays fresh until the stream reports a change. */
export const createQueryClient = (): QueryClient =>
  new QueryClient({
    queryCache: new QueryCache({ onError: watchSession }),
    mutationCache: new MutationCache({ onError: watchSession }),
    defaultOptions: {
      queries: {
        retry: mayRetry,
        retryDelay: retryWaitMs,
        staleTime: Number.POSITIVE_INFINITY,
        refetchOnWindowFocus: false,
        refetchOnReconnect: false,
        // Without a network, a browser can still reach a hub on its own machine.
        networkMode: 'always',
      },
      mutations: { networkMode: 'always' },
    },
  });
