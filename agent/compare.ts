import { isDeepStrictEqual } from 'node:util';
import type { KubeObject } from '@fso/shared/api';
import { byText } from '@fso/shared/encoding';

/** Sorts values and removes duplicates. */
export const sortedSet = (values: Iterable<string>): string[] => [...new Set(values)].sort(byText);

/** Whether both maps have the same values under the same keys. */
export const isSameMap = (a: ReadonlyMap<string, unknown>, b: ReadonlyMap<string, unknown>): boolean => {
  if (a.size !== b.size) return false;
  for (const [key, value] of b) if (a.get(key) !== value) return false;
  return true;
};

/** JSON object with unknown fields. */
export type Plain = Readonly<Record<string, unknown>>;

/** Whether a value is an object, not null or an array. */
export const isPlain = (value: unknown): value is Plain => typeof value === 'object' && value !== null && !Array.isArray(value);

/** Copies an object without its undefined fields. */
export const definedOnly = <T extends object>(object: T): T =>
  Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined)) as T;

/** Copies the defined fields with these names. */
export const pick = <T extends object, K extends keyof T>(object: T, names: readonly K[]): Pick<T, K> =>
  definedOnly(Object.fromEntries(names.map((name) => [name, object[name]]))) as Pick<T, K>;

/** Whether `actual` has every field of `wanted`, and possibly more. Lists must be equal. */
export const covers = (actual: unknown, wanted: unknown): boolean =>
  !isPlain(wanted) || isEmpty(wanted)
    ? isSame(actual, wanted)
    : isPlain(actual) && Object.entries(wanted).every(([key, value]) => covers(actual[key], value));

/**
 * Whether two values are equal. Empty lists and objects equal absent ones, as the API server omits
 * them.
 */
export const isSame = (actual: unknown, wanted: unknown): boolean => isDeepStrictEqual(withoutEmpty(actual), withoutEmpty(wanted));

type WithSpec = KubeObject & { readonly spec?: object };

/**
 * Whether an object of this system is as desired: it has the desired labels, and exactly the
 * desired spec. Any additional field at any depth may narrow or switch off the enforcement.
 */
export const readsAs = (actual: WithSpec, wanted: WithSpec): boolean =>
  covers(actual.metadata.labels, wanted.metadata.labels ?? {}) && isSame(actual.spec, wanted.spec);

/** Whether `actual` has a field, at any depth outside lists, that `wanted` does not have. */
export const hasMore = (actual: unknown, wanted: unknown): boolean =>
  isPlain(actual) &&
  isPlain(wanted) &&
  Object.entries(actual).some(([key, value]) =>
    Object.hasOwn(wanted, key) ? hasMore(value, wanted[key]) : withoutEmpty(value) !== undefined,
  );

/**
 * Builds the JSON merge patch (RFC 7386) that makes `actual` equal to `wanted`. It contains all of
 * `wanted`.
 */
export const replacementOf = (actual: unknown, wanted: Plain): Plain => {
  const before = isPlain(actual) ? actual : {};
  const foreign = Object.keys(before).filter((key) => !Object.hasOwn(wanted, key));
  return Object.fromEntries([
    ...foreign.map((key) => [key, null]),
    ...Object.entries(wanted).map(([key, value]) => [key, isPlain(value) ? replacementOf(before[key], value) : value]),
  ]);
};

const withoutEmpty = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.length === 0 ? undefined : value.map(withoutEmpty);
  if (!isPlain(value)) return value;
  const entries = Object.entries(value)
    .map(([key, part]) => [key, withoutEmpty(part)] as const)
    .filter(([, part]) => part !== undefined);
  return entries.length === 0 ? undefined : Object.fromEntries(entries);
};

const isEmpty = (value: Plain): boolean => Object.keys(value).length === 0;
