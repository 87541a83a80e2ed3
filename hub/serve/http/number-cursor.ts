import { decodeCursor } from './paging.ts';
import { ApiError } from './problems.ts';

/** The text of a cursor of a list that is ordered by a number, and that can be read in more than one order. */
export const cursorText = (number: number, order: string): string => `${order} ${number}`;

/**
 * @param order that of {@link cursorText}, if the list has several
 * @returns the number behind a cursor of a list that is ordered by a number; undefined: from the beginning
 * @throws ApiError `bad-request` for any other, also for one of another order
 */
export const numberOf = (cursor: string | undefined, order?: string): number | undefined => {
  if (cursor === undefined) return undefined;
  const text = decodeCursor(cursor);
  const prefix = order === undefined ? '' : `${order} `;
  const number = text.startsWith(prefix) ? text.slice(prefix.length) : '';
  if (!/^\d{1,15}$/.test(number)) throw new ApiError('bad-request', 'query parameter cursor: is not a cursor of this list in this order');
  return Number(number);
};
