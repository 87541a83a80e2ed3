import { messageOf } from '@fso/shared/runtime';
import { isAnswer } from './postgres/pool.ts';

/**
 * Statements that fail the same way every time for their data, for constraints or for limits of the
 * program: classes of SQLSTATE (https://www.postgresql.org/docs/current/errcodes-appendix.html),
 * and result codes of SQLite.
 */
const PERMANENT = /^(22|23|54|SQLITE_(CONSTRAINT|MISMATCH|TOOBIG)$)/;
/** A statement or a transaction took too long, or too much memory. */
const EXHAUSTED = new Set(['57014', '25P03', '53200', 'SQLITE_NOMEM']);

/**
 * The transaction of a batch was rolled back because it took more time or memory than the database
 * gives: less may fit.
 */
export class BatchTooLargeError extends Error {}

/**
 * The database has the batch, but this process failed to take it into memory: it must neither be
 * written again nor be refused.
 */
export class CommittedError extends Error {}

/**
 * The database has lost commits that this hub knows of: a server took over that did not have them
 * yet, or an older state was restored.
 */
export class CommitsLostError extends Error {
  override readonly message = 'the database has lost commits';
}

const codeOf = (error: unknown): string | undefined => {
  const code: unknown = typeof error === 'object' && error !== null ? Reflect.get(error, 'code') : undefined;
  return typeof code === 'string' ? code : undefined;
};

/**
 * Whether a write fails because of its content. Any other failure is caused by the database's
 * state, and is retried.
 */
export const isPermanent = (error: unknown): boolean => {
  const code = codeOf(error);
  return code === undefined ? error instanceof TypeError || error instanceof RangeError : PERMANENT.test(code);
};

/** Whether the database gave a transaction up for what it took. */
export const isExhausted = (error: unknown): boolean => EXHAUSTED.has(codeOf(error) ?? '');

/**
 * Whether PostgreSQL has not answered a write, as at a time limit or on a connection that broke: it
 * may not hear of this hub any more.
 */
export const isUnanswered = (error: unknown): boolean =>
  !(isAnswer(error) || error instanceof BatchTooLargeError || error instanceof CommittedError);

/** Describes an error of the database for people: without statements, parameters or credentials. */
export const describeDatabaseError = (error: unknown): string => {
  const first: unknown = error instanceof AggregateError ? error.errors[0] : error;
  const message = messageOf(first);
  const code = codeOf(first);
  return code === undefined || message.includes(code) ? message : `${message} (${code})`;
};
