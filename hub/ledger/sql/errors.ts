/** SQLSTATE classes of statements that fail the same way every time (https://www.postgresql.org/docs/current/errcodes-appendix.html). */
const PERMANENT = /^(22|23)/;

const codeOf = (error: unknown): string | undefined => {
  const code: unknown = typeof error === 'object' && error !== null ? Reflect.get(error, 'code') : undefined;
  return typeof code === 'string' ? code : undefined;
};

/** Whether a write fails because of what it says; anything else is the database's state, and is waited for. */
export const isPermanent = (error: unknown): boolean => {
  const code = codeOf(error);
  return code === undefined ? error instanceof TypeError || error instanceof RangeError : PERMANENT.test(code);
};

/** What went wrong, for people: without statements, parameters or credentials. */
export const describeDatabaseError = (error: unknown): string => {
  const first: unknown = error instanceof AggregateError ? error.errors[0] : error;
  const message = first instanceof Error ? first.message : String(first);
  const code = codeOf(first);
  return code === undefined || message.includes(code) ? message : `${message} (${code})`;
};
