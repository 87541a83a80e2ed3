import { z } from 'zod';
import type { ValuePath } from './yaml/yaml-file.ts';

/** Problem of a value, and the part of the document to point at. */
export interface ValueProblem {
  readonly path: ValuePath;
  readonly part: 'key' | 'value';
  readonly reason: string;
}

/** Formats the place of a field: `spec.allowedRegions[0]`, `metadata.labels["a.b/c"]`. */
export const pathText = (path: ValuePath): string =>
  path.reduce<string>((text, step) => {
    if (typeof step === 'number') return `${text}[${step}]`;
    const name = String(step);
    if (!/^[A-Za-z_][\w-]*$/.test(name)) return `${text}[${JSON.stringify(name)}]`;
    return text === '' ? name : `${text}.${name}`;
  }, '');

/**
 * Returns a problem of the value at a path.
 *
 * @param reason continues a sentence that begins with the path
 */
export const valueProblem = (path: ValuePath, reason: string): ValueProblem => ({
  path,
  part: 'value',
  reason: `${pathText(path)} ${reason}`,
});

/** Converts Zod's issues about a value to problems, one for each change that is needed. */
export const valueProblems = (schema: z.ZodType, value: unknown, issues: readonly z.core.$ZodIssue[]): readonly ValueProblem[] => {
  if (issues.length === 0) return [];
  const fields = z.toJSONSchema(schema, { io: 'input' }) as FieldSchema;
  return issues.flatMap((issue) =>
    issue.code === 'unrecognized_keys' ? issue.keys.map((key) => unknownField(fields, issue.path, key)) : [wrongValue(issue, value)],
  );
};

const unknownField = (fields: FieldSchema, path: ValuePath, key: string): ValueProblem => {
  const near = nearest(key, knownFields(fields, path));
  const hint = near === undefined ? '' : `, did you mean ${near}?`;
  return { path: [...path, key], part: 'key', reason: `unknown field ${pathText([...path, key])}${hint}` };
};

const wrongValue = (issue: z.core.$ZodIssue, document: unknown): ValueProblem => {
  const value = valueAt(document, issue.path);
  const reason = value === undefined ? 'is required' : issueText(issue, value);
  return {
    path: issue.path,
    part: issue.code === 'invalid_key' ? 'key' : 'value',
    reason: `${pathText(issue.path)} ${reason}`.trimStart(),
  };
};

const issueText = (issue: z.core.$ZodIssue, value: unknown): string => {
  switch (issue.code) {
    case 'invalid_type':
      return `must be ${withArticle(issue.expected)}, is ${typeName(value)}${issue.expected === 'string' ? ', put it in quotes' : ''}`;
    case 'invalid_value':
      return `must be ${issue.values.length > 1 ? 'one of ' : ''}${issue.values.map(String).join(', ')}, is ${shortened(value)}`;
    case 'too_small':
      return `must have at least ${issue.minimum} ${unitOf(issue.origin)}`;
    case 'too_big':
      return `must have at most ${issue.maximum} ${unitOf(issue.origin)}`;
    case 'invalid_format':
      return `${issue.format === 'datetime' ? 'must be an RFC 3339 time with a zone (2027-12-31T00:00:00Z)' : issue.message}, is ${shortened(value)}`;
    default:
      return `is not valid: ${issue.message}`;
  }
};

const UNITS: ReadonlyMap<string, string> = new Map([
  ['string', 'characters'],
  ['array', 'entries'],
]);
const unitOf = (origin: string): string => UNITS.get(origin) ?? '(as a number)';

const withArticle = (type: string): string => (/^[aeio]/.test(type) ? `an ${type}` : `a ${type}`);

const typeName = (value: unknown): string => {
  if (value === null) return 'empty';
  return withArticle(Array.isArray(value) ? 'list' : typeof value === 'object' ? 'map' : typeof value);
};

const shortened = (value: unknown): string => {
  const text = JSON.stringify(value);
  return text.length > 80 ? `${text.slice(0, 80)}…` : text;
};

const valueAt = (value: unknown, path: ValuePath): unknown =>
  path.reduce<unknown>(
    (parent, step) =>
      typeof parent === 'object' && parent !== null && Object.hasOwn(parent, step) ? Reflect.get(parent, step) : undefined,
    value,
  );

interface FieldSchema {
  readonly properties?: Readonly<Record<string, FieldSchema>>;
  readonly items?: FieldSchema;
}

/** Returns the fields that an object of the schema has at a path. */
const knownFields = (fields: FieldSchema, path: ValuePath): readonly string[] => {
  let at: FieldSchema | undefined = fields;
  for (const step of path) at = typeof step === 'number' ? at?.items : at?.properties?.[String(step)];
  return Object.keys(at?.properties ?? {});
};

/**
 * Finds the candidate with the fewest edits, if that looks like a typo: at most a third of its
 * letters.
 */
const nearest = (word: string, candidates: readonly string[]): string | undefined => {
  if (word.length > 100) return undefined;
  const [best] = candidates
    .map((candidate) => ({ candidate, distance: editDistance(word.toLowerCase(), candidate.toLowerCase()) }))
    .filter(({ candidate, distance }) => distance <= Math.max(1, Math.ceil(candidate.length / 3)))
    .sort((left, right) => left.distance - right.distance);
  return best?.candidate;
};

/** Levenshtein distance, one row of the table at a time. */
const editDistance = (from: string, to: string): number => {
  let row = Array.from({ length: to.length + 1 }, (_, index) => index);
  for (const [index, letter] of [...from].entries()) {
    const next = [index + 1];
    for (let column = 1; column <= to.length; column++) {
      const [left = 0, up = 0, diagonal = 0] = [next[column - 1], row[column], row[column - 1]];
      next.push(Math.min(left + 1, up + 1, diagonal + (letter === to[column - 1] ? 0 : 1)));
    }
    row = next;
  }
  return row[to.length] ?? 0;
};
