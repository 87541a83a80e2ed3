const isRecord = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null && !Array.isArray(value);

const MAX_LENGTH = 120;

const textOf = (value: unknown): string => {
  const text = value === undefined ? 'nothing' : JSON.stringify(value);
  return text.length > MAX_LENGTH ? `${text.slice(0, MAX_LENGTH)}…` : text;
};

/** Shows two texts from where they first differ: the expressions of policies are long. */
const describeChange = (before: unknown, after: unknown): string => {
  if (typeof before !== 'string' || typeof after !== 'string') return `${textOf(before)} → ${textOf(after)}`;
  const first = [...before].findIndex((character, index) => character !== after[index]);
  const from = Math.max(0, (first < 0 ? before.length : first) - 20);
  return `${textOf(before.slice(from))} → ${textOf(after.slice(from))}`;
};

const childrenOf = (before: unknown, after: unknown): readonly (readonly [string, unknown, unknown])[] | undefined => {
  if (isRecord(before) && isRecord(after)) {
    const keys = [...new Set([...Object.keys(before), ...Object.keys(after)])];
    return keys.map((key) => [`[${JSON.stringify(key)}]`, before[key], after[key]]);
  }
  if (Array.isArray(before) && Array.isArray(after) && before.length === after.length)
    return before.map((value: unknown, index) => [`[${index}]`, value, after[index]]);
  return undefined;
};

/**
 * Compares two JSON values. @returns one text for each path that differs: path, value before and
 * value after
 */
export const differencesOf = (before: unknown, after: unknown, path = ''): readonly string[] => {
  if (JSON.stringify(before) === JSON.stringify(after)) return [];
  const children = childrenOf(before, after);
  if (children === undefined) return [`${path}: ${describeChange(before, after)}`];
  return children.flatMap(([step, ...values]) => differencesOf(...values, path + step));
};

const COMMIT = /\b[0-9a-f]{40}\b/g;

/**
 * The same value without ids of commits, to compare what two commits with the same files have made.
 */
export const withoutCommits = <T>(value: T): T => JSON.parse(JSON.stringify(value).replaceAll(COMMIT, '(commit)')) as T;
