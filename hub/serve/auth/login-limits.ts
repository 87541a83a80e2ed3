import { type Clock, createFailureLimit, createRateLimit } from '@fso/shared/runtime';
import type { Request } from 'express';
import type { Principal } from '../../access/index.ts';
import { addressOf } from '../http/caller.ts';
import { ApiError, type ProblemCode } from '../http/problems.ts';
import { toLoginError } from './login-problems.ts';

const FAILURES = { burst: 20, perSecond: 0.5, addresses: 10_000 };
/** Budget of logins per account. Several programs may share an account. */
const SUCCESSES = { burst: 60, perSecond: 0.5, addresses: 10_000 };

/** Budget of login links per account. */
const LINKS = { burst: 10, perSecond: 0.1, addresses: 10_000 };

const tooMany = (detail: string): ApiError => new ApiError('too-many-requests', detail, { 'Retry-After': '2' });

/**
 * Codes of refusals that count as failed logins. Others, such as too many logins of an account, do
 * not indicate guessing.
 */
const FAILED: ReadonlySet<ProblemCode> = new Set(['login-failed', 'unauthorized']);

const isFailedLogin = (error: unknown): boolean => {
  const known = toLoginError(error);
  return known instanceof ApiError && FAILED.has(known.code);
};

/**
 * Limits logins: failures by address, successes by account. Successes are not limited by address,
 * because people behind an unknown proxy share one.
 */
export class LoginLimits {
  readonly #failures: ReturnType<typeof createFailureLimit>;
  readonly #allows: ReturnType<typeof createRateLimit>;
  readonly #allowsLink: ReturnType<typeof createRateLimit>;

  constructor(clock: Clock) {
    this.#failures = createFailureLimit(clock, FAILURES);
    this.#allows = createRateLimit(clock, SUCCESSES);
    this.#allowsLink = createRateLimit(clock, LINKS);
  }

  /**
   * Runs a step of a login.
   *
   * @throws ApiError `too-many-requests` if too many logins from the address have recently failed;
   * the error of the step
   */
  async attempt(req: Request, step: () => Promise<void>): Promise<void> {
    const address = addressOf(req);
    if (this.#failures.isSpent(address)) throw tooMany('Too many logins from this address have failed.');
    try {
      await step();
    } catch (error) {
      if (isFailedLogin(error)) this.#failures.note(address);
      throw error;
    }
  }

  /** Counts a successful login. @throws ApiError `too-many-requests` */
  count({ kind, id, name }: Principal): void {
    if (!this.#allows(`${kind}:${id}`)) throw tooMany(`${name} logs in too often.`);
  }

  /** Counts a login link before it is created. @throws ApiError `too-many-requests` */
  countLink({ kind, id, name }: Principal): void {
    if (!this.#allowsLink(`${kind}:${id}`)) throw tooMany(`${name} makes too many links.`);
  }
}
