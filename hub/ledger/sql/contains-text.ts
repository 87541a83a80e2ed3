import { type Expression, sql } from 'kysely';

/** Whether a column holds a text; SQLite takes ASCII letters in both cases for the same, so that the reader has to look once more. */
export const containsText = (column: Expression<string>, text: string) =>
  sql<boolean>`${column} like ${`%${text.replaceAll(/[!%_]/g, '!$&')}%`} escape '!'`;
