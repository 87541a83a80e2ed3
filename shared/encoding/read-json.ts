import type { z } from 'zod';

/**
 * Parses JSON, and validates it against a schema.
 *
 * @returns undefined if the text is not JSON or does not match, for example because another version
 * wrote it
 */
export const readJson = <T>(schema: z.ZodType<T>, text: string): T | undefined => {
  try {
    return schema.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
};
