/**
 * Caches the result of a pure function of an object. For objects that are never changed, only
 * replaced: then the cost depends on what was replaced.
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

/**
 * Whether both lists have the same items in the same order. A loop, because rounds over thousands
 * of policies depend on its speed.
 */
export const sameItems = (a: readonly unknown[], b: readonly unknown[]): boolean => {
  if (a === b) return true;
  if (a.length !== b.length) return false;
  for (let index = 0; index < a.length; index += 1) if (a[index] !== b[index]) return false;
  return true;
};

/** Values by a key, held as long as others hold them. */
export class WeakValues<V extends object> {
  readonly #known = new Map<string, WeakRef<V>>();
  readonly #gone: FinalizationRegistry<string> = new FinalizationRegistry((key) => {
    if (this.#known.get(key)?.deref() === undefined) this.#known.delete(key);
  });

  get(key: string): V | undefined {
    return this.#known.get(key)?.deref();
  }

  set(key: string, value: V): void {
    this.#known.set(key, new WeakRef(value));
    this.#gone.register(value, key);
  }

  delete(key: string): void {
    this.#known.delete(key);
  }
}
