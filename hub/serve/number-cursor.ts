import { decodeCursor } from './paging.ts';
import { ApiError } from './problems.ts';

/** @returns the number behind a cursor of a list that is ordered by a number; undefined: from the beginning */
export const numberOf = (cursor: string | undefined): number | undefined => {
  if (cursor === undefined) return undefined;
  const text = decodeCursor(cursor);
  if (!/^\d{1,15}$/.test(text)) throw new ApiError('bad-request', 'query parameter cursor: is not a cursor of this list');
  return Number(text);
};
