import type { Page } from '@fso/shared/api';
import { byText } from '@fso/shared/compile';
import { ApiError } from './problems.ts';

export interface PageQuery {
  readonly limit: number;
  readonly cursor?: string | undefined;
}

const encode = (key: string): string => Buffer.from(key, 'utf8').toString('base64url');

/** @throws ApiError `bad-request` for anything that {@link pageOf} did not make. */
export const decodeCursor = (cursor: string): string => {
  const key = Buffer.from(cursor, 'base64url').toString('utf8');
  if (encode(key) !== cursor) throw new ApiError('bad-request', 'query parameter cursor: is not a cursor of this API');
  return key;
};

/** A page of what is already sorted by key. The cursor is the last key given out, so changes in between shift nothing. */
export const pageOf = <T>(items: readonly T[], keyOf: (item: T) => string, { limit, cursor }: PageQuery): Page<T> => {
  const after = cursor === undefined ? undefined : decodeCursor(cursor);
  const rest = after === undefined ? items : items.filter((item) => byText(keyOf(item), after) > 0);
  return { items: rest.slice(0, limit), total: items.length, next: nextCursor(rest, keyOf, limit) };
};

/** Cursor behind the first `limit` items, if there are more. */
export const nextCursor = <T>(items: readonly T[], keyOf: (item: T) => string, limit: number): string | null => {
  const last = items[limit - 1];
  return items.length > limit && last !== undefined ? encode(keyOf(last)) : null;
};
