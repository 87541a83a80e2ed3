type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/**
 * Every value that lacks one element of a list, or one field of an object, of the given one, at any
 * depth.
 */
function* less(value: Json): Generator<Json> {
  if (value === null || typeof value !== 'object') return;
  const isList = Array.isArray(value);
  for (const key of Object.keys(value)) yield without(value, key);
  for (const [key, part] of Object.entries(value)) {
    for (const smaller of less(part)) yield isList ? value.with(Number(key), smaller) : { ...value, [key]: smaller };
  }
}

const without = (value: Json[] | { [key: string]: Json }, key: string): Json =>
  Array.isArray(value) ? value.toSpliced(Number(key), 1) : Object.fromEntries(Object.entries(value).filter(([name]) => name !== key));

/**
 * Removes parts that `holds` does not need, one by one. fast-check shrinks the choices behind a
 * value, and stops when a smaller value needs no smaller choices.
 */
export const simplify = async <T extends object>(value: T, holds: (smaller: T) => Promise<boolean>): Promise<T> => {
  for (const smaller of less(value as unknown as Json)) {
    if (await holds(smaller as unknown as T)) return simplify(smaller as unknown as T, holds);
  }
  return value;
};
