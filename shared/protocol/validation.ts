import { z } from 'zod';
import { truncate } from '../runtime/index.ts';

/** Valid value, or a description of what is wrong. */
export type Validation<T> =
  | { readonly ok: true; readonly data: T }
  | {
      readonly ok: false;
      /** Description of the first issues. */
      readonly problem: string;
      /** Fields, or indices, of the value that are invalid. */
      readonly wrong: ReadonlySet<PropertyKey | undefined>;
    };

/** Most issues that are described. */
const MAX_ISSUES = 5;

/**
 * Parses a value by its schema. A value can have thousands of issues, and zod formats all of them
 * as soon as the error of a result is read. Here only the first few are formatted.
 *
 * @param maxLength of the description, in UTF-16 code units
 * @throws RangeError if the value overflows the parser's stack
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
