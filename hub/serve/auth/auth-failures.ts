import { createRateLimit } from '@fso/shared/runtime';
import type { Request } from 'express';
import { Counter } from 'prom-client';
import { ApiError } from '../http/problems.ts';
import type { ApiOptions } from '../types.ts';
import { addressOf } from './caller.ts';

export type AuthFailure = 'missing' | 'invalid' | 'csrf' | 'host' | 'role';

/**
 * Counts a call that is not let in.
 *
 * @throws ApiError where the address has failed too often: then it does not hear, and nobody keeps, why it failed this time
 */
export type CountFailure = (req: Request, reason: AuthFailure) => void;

/** Failed calls of one address: these many at once, then one a second; beyond, they hear to wait. */
const FAILURES = { burst: 20, perSecond: 1, addresses: 10_000 };

/** One count of all ways in. */
export const createFailureCounter = ({ clock, registry }: Pick<ApiOptions, 'clock' | 'registry'>): CountFailure => {
  const mayFail = createRateLimit(clock, FAILURES);
  const failures = new Counter({
    name: 'fso_hub_auth_failures_total',
    help: 'Calls that were not let in.',
    labelNames: ['reason'],
    registers: [registry],
  });
  return (req, reason) => {
    failures.inc({ reason });
    if (!mayFail(addressOf(req)))
      throw new ApiError('too-many-requests', 'Too many calls of this address were not let in.', { 'Retry-After': '1' });
  };
};
