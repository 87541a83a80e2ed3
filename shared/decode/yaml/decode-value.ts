import type { z } from 'zod';
import { type ValueProblem, valueProblems } from '../issue-text.ts';
import { DEFAULT_LIMITS, type SourceFile, type SourceProblem } from '../types.ts';
import { readYamlFile } from './yaml-file.ts';

/** A valid value, or all problems with their positions. */
export type DecodedValue<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly problems: readonly SourceProblem[] };

/**
 * Decodes a YAML file outside of the policy repository, such as a settings file. The file must have
 * one document. Syntax rules and limits are those of policy files. Never throws.
 *
 * @param check rules that the schema cannot express
 */
export const decodeValue = <S extends z.ZodType>(
  schema: S,
  file: SourceFile,
  check: (value: z.output<S>) => readonly ValueProblem[] = () => [],
): DecodedValue<z.output<S>> => {
  const { documents, problems } = readYamlFile(file, DEFAULT_LIMITS);
  if (problems.length > 0) return { ok: false, problems };
  const [document, second] = documents;
  if (document === undefined || second !== undefined)
    return {
      ok: false,
      problems: [{ path: file.path, line: 1, column: 1, reason: `the file has ${documents.length} documents, not one` }],
    };
  const parsed = schema.safeParse(document.value);
  const found = parsed.success ? check(parsed.data) : valueProblems(schema, document.value, parsed.error.issues);
  if (parsed.success && found.length === 0) return { ok: true, value: parsed.data };
  return {
    ok: false,
    problems: found.slice(0, DEFAULT_LIMITS.maxProblems).map(({ path, part, reason }) => ({ ...document.locate(path, part), reason })),
  };
};
