import type { z } from 'zod';

/**
 * Reads a JSON text by a schema.
 *
 * @returns undefined: it is not JSON, or does not match, as that of a program of another version
 * may
 */
export const readJson = <T>(schema: z.ZodType<T>, text: string): T | undefined => {
  try {
    return schema.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
};
