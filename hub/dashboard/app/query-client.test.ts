import type { ProblemDetails } from '@fso/shared/api';
import { afterEach, describe, expect, it } from 'vitest';
import { ApiProblem, HubUnreachable } from '../api/client.ts';
import { isSessionEnded, markSessionRenewed } from '../api/session.ts';
import { createQueryClient, mayRetry, retryWaitMs } from './query-client.ts';

const problem = (status: number, retryAfterS?: number): ApiProblem => {
  const details: ProblemDetails = { type: 'about:blank', title: 'No', status, code: 'no', requestId: 'r' };
  return new ApiProblem(details, retryAfterS);
};

afterEach(markSessionRenewed);

describe('a read that failed', () => {
  it.each([
    [new HubUnreachable(undefined), true],
    [problem(503), true],
    [problem(429, 3), true],
    [problem(401), false],
    [problem(403), false],
    [problem(404), false],
  ])('is after %s retried or not: %s', (error, again) => {
    expect([mayRetry(0, error), mayRetry(2, error)]).toEqual([again, false]);
  });

  it('waits as long as the hub asks, within reason', () => {
    expect([
      retryWaitMs(0, problem(503)),
      retryWaitMs(1, problem(503)),
      retryWaitMs(0, problem(429, 3)),
      retryWaitMs(0, problem(429, 600)),
    ]).toEqual([500, 1000, 3000, 10_000]);
  });

  it('ends the session of the page when it is refused without one', async () => {
    const client = createQueryClient();
    const read = (error: Error) => client.fetchQuery({ queryKey: [error.message], queryFn: () => Promise.reject(error), retry: false });
    await expect(read(problem(403))).rejects.toThrow();
    expect(isSessionEnded()).toBe(false);
    await expect(read(problem(401))).rejects.toThrow();
    expect(isSessionEnded()).toBe(true);
  });
});
