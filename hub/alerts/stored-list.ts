import { weakMemo } from '@fso/shared/runtime';
import { z } from 'zod';

/**
 * Returns the name of the record for a key: its first three hex digits, so 4,096 records in all.
 * One record per key would leave a name behind in the ledger for every deleted key.
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
