import { QueryClient } from '@tanstack/react-query';
import { ApiProblem } from '../api/problem.ts';

const RETRIES = 2;
/** A hub that is busy says when to come back; a reader does not wait longer than this for it. */
const MAX_WAIT_MS = 10_000;

/** A refusal stays one when asked again; what is down may come back. */
const mayRetry = (failures: number, error: unknown): boolean =>
  failures < RETRIES && !(error instanceof ApiProblem && error.status < 500 && error.status !== 429);

const waitMs = (failures: number, error: unknown): number => {
  const asked = error instanceof ApiProblem ? error.retryAfterS : undefined;
  return Math.min(MAX_WAIT_MS, asked === undefined ? 500 * 2 ** failures : asked * 1000);
};

/** What was read stays good until the stream says otherwise. */
export const createQueryClient = (): QueryClient =>
  new QueryClient({
    defaultOptions: {
      queries: { retry: mayRetry, retryDelay: waitMs, staleTime: Number.POSITIVE_INFINITY, refetchOnWindowFocus: false },
    },
  });
