import { messageOf } from '@fso/shared/runtime';
import { isAnswer } from './postgres/pool.ts';

/**
 * Codes of errors that recur on every attempt because of data, constraints or program limits:
 * classes of SQLSTATE (https://www.postgresql.org/docs/current/errcodes-appendix.html), and result
 * codes of SQLite.
 */
const PERMANENT = /^(22|23|54|SQLITE_(CONSTRAINT|MISMATCH|TOOBIG)$)/;
/** Codes of statements or transactions that took too much time or memory. */
const EXHAUSTED = new Set(['57014', '25P03', '53200', 'SQLITE_NOMEM']);

/**
 * Thrown if the transaction of a batch was rolled back for taking too much time or memory. A
 * smaller one may fit.
 */
export class BatchTooLargeError extends Error {}

/**
 * Thrown if a batch was committed, but this process could not update its memory. The batch must be
 * neither written again nor refused.
 */
export class CommittedError extends Error {}

/**
 * Thrown if the database lost commits that this hub knows, because a server without them took over
 * or an older state was restored.
 */
export class CommitsLostError extends Error {
  override readonly message = 'the database has lost commits';
}

const codeOf = (error: unknown): string | undefined => {
  const code: unknown = typeof error === 'object' && error !== null ? Reflect.get(error, 'code') : undefined;
  return typeof code === 'string' ? code : undefined;
};

/**
 * Whether a write fails because of its content. Any other failure depends on the state of the
 * database, so the write is retried.
 */
export const isPermanent = (error: unknown): boolean => {
  const code = codeOf(error);
  return code === undefined ? error instanceof TypeError || error instanceof RangeError : PERMANENT.test(code);
};

/** Whether the database aborted a transaction for taking too much time or memory. */
export const isExhausted = (error: unknown): boolean => EXHAUSTED.has(codeOf(error) ?? '');

/**
 * Whether PostgreSQL did not answer a write: a timeout or a broken connection. The database may
 * then no longer be reachable for this hub.
 */
export const isUnanswered = (error: unknown): boolean =>
  !(isAnswer(error) || error instanceof BatchTooLargeError || error instanceof CommittedError);

/** Describes a database error for operators, without statements, parameters or credentials. */
export const describeDatabaseError = (error: unknown): string => {
  const first: unknown = error instanceof AggregateError ? error.errors[0] : error;
  const message = messageOf(first);
  const code = codeOf(first);
  return code === undefined || message.includes(code) ? message : `${message} (${code})`;
};
