import { z } from 'zod';
import { truncate } from '../runtime/index.ts';

/** A value that its schema accepts, or the explanation of what is wrong. */
export type Validation<T> =
  | { readonly ok: true; readonly data: T }
  | {
      readonly ok: false;
      /** Explanation of what the schema refuses, of the first issues alone. */
      readonly problem: string;
      /** Fields of the value, or indices, in which something is wrong. */
      readonly wrong: ReadonlySet<PropertyKey | undefined>;
    };

/** Issues that are described. */
const MAX_ISSUES = 5;

/**
 * Parses a value by its schema. A value can be wrong in thousands of places, and zod writes a text
 * for each as soon as the error of a result is read; here the first few issues get one.
 *
 * @param maxLength of the description, in UTF-16 code units
 * @throws RangeError where the value overflows the stack of a parser
 */
export const validate = <S extends z.ZodType>(schema: S, value: unknown, maxLength: number): Validation<z.output<S>> => {
  const ctx = { async: false };
  const result = schema._zod.run({ value, issues: [] }, ctx);
  if (result instanceof Promise) throw new TypeError('a frame has no asynchronous schema');
  if (result.issues.length === 0) return { ok: true, data: result.value as z.output<S> };
  const issues = result.issues.slice(0, MAX_ISSUES).map((issue) => z.core.util.finalizeIssue(issue, ctx, z.core.config()));
  const wrong = new Set(result.issues.map(({ path }) => path?.[0]));
  return { ok: false, problem: truncate(z.prettifyError({ issues }), maxLength), wrong };
};
