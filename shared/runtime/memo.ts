/**
 * Values derived from immutable objects, computed once for each object. Docs:
 * mechanisms.md#identity. A module may keep nothing else (test/module-state.test.ts): callers
 * cannot tell whether such a value was computed before, as it is the same.
 */

/** Caches the result of a pure function of an object while others hold the object. */
export const weakMemo = <K extends object, V>(make: (key: K) => V): ((key: K) => V) => {
  const known = new StepMemo(make);
  return (key) => known.get(key);
};

/** Caches the results of a function by its argument, while others hold the returned function. */
export const memoByKey = <K, V>(make: (key: K) => V): ((key: K) => V) => {
  const known = new Map<K, V>();
  return (key) => {
    const before = known.get(key);
    if (before !== undefined || known.has(key)) return before as V;
    const made = make(key);
    known.set(key, made);
    return made;
  };
};

/** {@link weakMemo} with two objects as keys. */
export const weakMemo2 = <A extends object, B extends object, V>(make: (a: A, b: B) => V): ((a: A, b: B) => V) => {
  const ofFirst = weakMemo((a: A) => weakMemo((b: B) => make(a, b)));
  return (a, b) => ofFirst(a)(b);
};

/**
 * {@link weakMemo} of values that can also be derived from the value of an earlier object, at the
 * cost of the changes.
 */
export class StepMemo<K extends object, V> {
  readonly #make: (key: K) => V;
  readonly #known = new WeakMap<K, { readonly value: V }>();

  constructor(make: (key: K) => V) {
    this.#make = make;
  }

  get(key: K): V {
    return (this.#known.get(key) ?? this.note(key, this.#make(key))).value;
  }

  /** Stores a known value. @param value equal to the one that would be computed */
  note(key: K, value: V): { readonly value: V } {
    const entry = { value };
    this.#known.set(key, entry);
    return entry;
  }
}

/**
 * Caches the result of a pure function of values that are identified by a text, while others hold
 * the result. Equal values give the same object.
 */
export const memoByText = <A extends readonly unknown[], V extends object>(
  textOf: (...values: A) => string,
  make: (...values: A) => V,
): ((...values: A) => V) => {
  const known = new WeakValues<V>();
  return (...values) => {
    const text = textOf(...values);
    const before = known.get(text);
    if (before !== undefined) return before;
    const made = make(...values);
    known.set(text, made);
    return made;
  };
};

/**
 * Whether both lists have the same items in the same order. A loop, because reconciles over
 * thousands of policies depend on its speed.
 */
export const sameItems = (a: readonly unknown[], b: readonly unknown[]): boolean => {
  if (a === b) return true;
  if (a.length !== b.length) return false;
  for (let index = 0; index < a.length; index += 1) if (a[index] !== b[index]) return false;
  return true;
};

/** Map of values that are kept while others hold them. */
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
