import { type Clock, createFailureLimit, createRateLimit } from '@fso/shared/runtime';
import type { Request } from 'express';
import type { Principal } from '../../access/index.ts';
import { addressOf } from '../http/caller.ts';
import { ApiError, type ProblemCode } from '../http/problems.ts';
import { toLoginError } from './login-problems.ts';

const FAILURES = { burst: 20, perSecond: 0.5, addresses: 10_000 };
/** Logins of one account; programs may share one. */
const SUCCESSES = { burst: 60, perSecond: 0.5, addresses: 10_000 };

/** Links into the dashboard that one account makes. */
const LINKS = { burst: 10, perSecond: 0.1, addresses: 10_000 };

const tooMany = (detail: string): ApiError => new ApiError('too-many-requests', detail, { 'Retry-After': '2' });

/**
 * Codes of refusals that count as failed logins. Others, such as too many logins of an account, are
 * no sign of guesses.
 */
const FAILED: ReadonlySet<ProblemCode> = new Set(['login-failed', 'unauthorized']);

const isFailedLogin = (error: unknown): boolean => {
  const known = toLoginError(error);
  return known instanceof ApiError && FAILED.has(known.code);
};

/**
 * Bounds logins: those that fail by address, those that succeed by account. Successes of an address
 * are not counted: behind a proxy that the hub does not know, all people have the same.
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
   * whatever the step throws
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

  /** Counts a login that has succeeded. @throws ApiError `too-many-requests` */
  count({ kind, id, name }: Principal): void {
    if (!this.#allows(`${kind}:${id}`)) throw tooMany(`${name} logs in too often.`);
  }

  /** Counts a link that is to be made. @throws ApiError `too-many-requests` */
  countLink({ kind, id, name }: Principal): void {
    if (!this.#allowsLink(`${kind}:${id}`)) throw tooMany(`${name} makes too many links.`);
  }
}
