import { weakMemo } from '@fso/shared/runtime';
import { z } from 'zod';

/**
 * Name of the record that holds a key. A removed record leaves its name in the ledger, so keys have
 * no records of their own: keys with the same first three digits share one of 4,096 records.
 */
export const bucketOf = (key: string): string => key.slice(0, 3);

/**
 * Creates a reader for the items of a record. It leaves out items of other versions that it cannot
 * read. Records are replaced and never changed, so each is parsed once.
 */
export const createListReader = <T>(item: z.ZodType<T>): ((value: unknown) => readonly T[]) => {
  const list = z.array(z.unknown()).catch([]);
  const parse = weakMemo((value: object): readonly T[] => list.parse(value).flatMap((one) => item.safeParse(one).data ?? []));
  return (value) => (typeof value === 'object' && value !== null ? parse(value) : []);
};
