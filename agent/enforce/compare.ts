import { isDeepStrictEqual } from 'node:util';
import { byText } from '@fso/shared/compile';

/** Sorted, without duplicates. */
export const sortedSet = (values: Iterable<string>): string[] => [...new Set(values)].sort(byText);

/** The very same items in the same order. A loop, because rounds over thousands of policies live on it. */
export const sameItems = (a: readonly unknown[], b: readonly unknown[]): boolean => {
  if (a === b) return true;
  if (a.length !== b.length) return false;
  for (let index = 0; index < a.length; index += 1) if (a[index] !== b[index]) return false;
  return true;
};

/**
 * Remembers what a pure function made of an object. Objects of the cache and of a governance are never changed, only
 * replaced, so that a round costs what changed since the last one.
 */
export const weakMemo = <K extends object, V>(make: (key: K) => V): ((key: K) => V) => {
  const known = new WeakMap<K, { readonly value: V }>();
  return (key) => {
    let entry = known.get(key);
    if (entry === undefined) {
      entry = { value: make(key) };
      known.set(key, entry);
    }
    return entry.value;
  };
};

/** {@link weakMemo} of two objects. */
export const weakMemo2 = <A extends object, B extends object, V>(make: (a: A, b: B) => V): ((a: A, b: B) => V) => {
  const ofFirst = weakMemo((a: A) => weakMemo((b: B) => make(a, b)));
  return (a, b) => ofFirst(a)(b);
};

type Plain = Readonly<Record<string, unknown>>;

export const isPlain = (value: unknown): value is Plain => typeof value === 'object' && value !== null && !Array.isArray(value);

/**
 * Whether `actual` says everything that `wanted` says. Fields that only `actual` has are other writers' or defaults of
 * the API server. Selectors and what stands in lists must be the same in full: one more label or resource name there
 * selects less. An empty list or object equals an absent one: the API server omits it.
 */
export const covers = (actual: unknown, wanted: unknown): boolean => {
  if (!isPlain(wanted) || isEmpty(wanted)) return isSame(actual, wanted);
  if (!isPlain(actual)) return false;
  return Object.entries(wanted).every(([key, value]) =>
    key.endsWith('Selector') ? isSame(actual[key], value) : covers(actual[key], value),
  );
};

const isSame = (actual: unknown, wanted: unknown): boolean => isDeepStrictEqual(withoutEmpty(actual), withoutEmpty(wanted));

const withoutEmpty = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.length === 0 ? undefined : value.map(withoutEmpty);
  if (!isPlain(value)) return value;
  const entries = Object.entries(value)
    .map(([key, part]) => [key, withoutEmpty(part)] as const)
    .filter(([, part]) => part !== undefined);
  return entries.length === 0 ? undefined : Object.fromEntries(entries);
};

const isEmpty = (value: Plain): boolean => Object.keys(value).length === 0;
