import { weakMemo } from '@fso/shared/runtime';
import { z } from 'zod';

/**
 * Name of the record of a key. What is removed leaves its name behind, so there must not be a new
 * name for each key: those that begin alike share one of 4,096 records.
 */
export const bucketOf = (key: string): string => key.slice(0, 3);

/**
 * Makes a reader of the items of a record. Those that another version wrote and this one cannot
 * read are left out. Records are replaced and never changed, so each is read once.
 */
export const createListReader = <T>(item: z.ZodType<T>): ((value: unknown) => readonly T[]) => {
  const list = z.array(z.unknown()).catch([]);
  const parse = weakMemo((value: object): readonly T[] => list.parse(value).flatMap((one) => item.safeParse(one).data ?? []));
  return (value) => (typeof value === 'object' && value !== null ? parse(value) : []);
};
