import type { z } from 'zod';

/** What a text says, by a schema. @returns undefined: it is not JSON, or says something else, as a program of another version may */
export const readJson = <T>(schema: z.ZodType<T>, text: string): T | undefined => {
  try {
    return schema.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
};
