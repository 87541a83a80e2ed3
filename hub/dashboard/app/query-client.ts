import { MutationCache, QueryCache, QueryClient } from '@tanstack/react-query';
import { ApiProblem, isUnauthorized } from '../api/client.ts';
import { markSessionEnded } from '../api/session.ts';

const RETRIES = 2;
/** A hub that is busy says when to come back; a reader does not wait longer than this for it. */
const MAX_WAIT_MS = 10_000;

/** A refusal stays one when asked again; what is down may come back. */
export const mayRetry = (failures: number, error: unknown): boolean =>
  failures < RETRIES && !(error instanceof ApiProblem && error.status < 500 && error.status !== 429);

/** Time before a failed read is tried again, in milliseconds: what the hub asks, else doubling. */
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
        // A browser without a network may well reach a hub on its own machine.
        networkMode: 'always',
      },
      mutations: { networkMode: 'always' },
    },
  });
