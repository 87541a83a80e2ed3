import { isDeepStrictEqual } from 'node:util';
import type { KubeObject } from '@fso/shared/api';
import { byText } from '@fso/shared/encoding';

/** Sorted, without duplicates. */
export const sortedSet = (values: Iterable<string>): string[] => [...new Set(values)].sort(byText);

/** Whether both maps have the same values under the same keys. */
export const isSameMap = (a: ReadonlyMap<string, unknown>, b: ReadonlyMap<string, unknown>): boolean => {
  if (a.size !== b.size) return false;
  for (const [key, value] of b) if (a.get(key) !== value) return false;
  return true;
};

/** A JSON object whose fields are not known. */
export type Plain = Readonly<Record<string, unknown>>;

/** Whether a value is an object, not null or an array. */
export const isPlain = (value: unknown): value is Plain => typeof value === 'object' && value !== null && !Array.isArray(value);

/** An object without its undefined fields. */
export const definedOnly = <T extends object>(object: T): T =>
  Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined)) as T;

/** The fields of an object with these names that are defined. */
export const pick = <T extends object, K extends keyof T>(object: T, names: readonly K[]): Pick<T, K> =>
  definedOnly(Object.fromEntries(names.map((name) => [name, object[name]]))) as Pick<T, K>;

/** Whether `actual` has every field of `wanted`, and maybe others. Lists must be equal. */
export const covers = (actual: unknown, wanted: unknown): boolean =>
  !isPlain(wanted) || isEmpty(wanted)
    ? isSame(actual, wanted)
    : isPlain(actual) && Object.entries(wanted).every(([key, value]) => covers(actual[key], value));

/** Equality in which an empty list or object equals an absent one: the API server omits it. */
export const isSame = (actual: unknown, wanted: unknown): boolean => isDeepStrictEqual(withoutEmpty(actual), withoutEmpty(wanted));

type WithSpec = KubeObject & { readonly spec?: object };

/**
 * Whether an object of this system equals the wanted one: it has the wanted labels, and exactly the
 * wanted spec. Any additional field of the object in the cluster, at any depth, may narrow or
 * switch off the enforcement.
 */
export const readsAs = (actual: WithSpec, wanted: WithSpec): boolean =>
  covers(actual.metadata.labels, wanted.metadata.labels ?? {}) && isSame(actual.spec, wanted.spec);

/** Whether `actual` has a field, at any depth outside of lists, that `wanted` does not have. */
export const hasMore = (actual: unknown, wanted: unknown): boolean =>
  isPlain(actual) &&
  isPlain(wanted) &&
  Object.entries(actual).some(([key, value]) =>
    Object.hasOwn(wanted, key) ? hasMore(value, wanted[key]) : withoutEmpty(value) !== undefined,
  );

/**
 * The JSON merge patch (RFC 7386) that makes `actual` equal to `wanted`; it carries all of
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
