/**
 * Kind of the records of sessions. They are of the moment: no backup has them, as a copy of the
 * ledger must not let anybody in.
 */
export const SESSION_KIND = 'session';
/** Kind of the record of one-time links into the dashboard, which no backup has either. */
export const LOGIN_LINK_KIND = 'login-link';

/**
 * Returns the new record for the current one (undefined: none). Pure, as it may run more than once.
 * If it throws, the caller gets the error and nothing is changed.
 */
export type ValueChange = (before: unknown) => unknown;

/** Reads JSON values by kind and name, from memory. */
export interface KeyedReader {
  get(kind: string, name: string): unknown;
  /** Returns the values of a kind, in no particular order. */
  list(kind: string): readonly unknown[];
  /**
   * Calls a handler for each changed record, within a second, whichever hub changed it.
   *
   * @returns a function that ends the subscription
   */
  subscribe(kind: string, handler: (name: string) => void): () => void;
}

/**
 * Store of JSON values, kept in the ledger for other parts of the hub and shared by all hubs on one
 * database. Changes of all hubs are applied one after the other, and a resolved one is durable.
 */
export interface KeyedStore extends KeyedReader {
  /** @returns the record that `change` made; undefined or null removes it */
  update(kind: string, name: string, change: ValueChange): Promise<unknown>;
}

/** Kind and name of a stored value. */
export interface ValueKey {
  readonly kind: string;
  readonly name: string;
}

/** Result of a change to a record; filled when it is planned, final once it is committed. */
export interface ValueOutcome {
  after?: unknown;
  error?: { readonly reason: unknown };
}

/**
 * Runs a change. An error is the outcome of this change only, not of others committed with it.
 *
 * @returns whether there is something to write
 */
export const applyValueChange = (before: unknown, change: ValueChange, outcome: ValueOutcome): boolean => {
  try {
    outcome.after = change(before) ?? undefined;
    delete outcome.error;
    return outcome.after !== before;
  } catch (reason) {
    outcome.error = { reason };
    return false;
  }
};

const keyOf = ({ kind, name }: ValueKey): string => `${kind} ${name}`;

/** The records in memory. */
export class KeyedCache implements KeyedReader {
  readonly #known = new Map<string, ValueKey & { readonly value: unknown; readonly version: number }>();
  readonly #handlers = new Set<{ readonly kind: string; readonly handler: (name: string) => void }>();

  get(kind: string, name: string): unknown {
    return this.#known.get(keyOf({ kind, name }))?.value;
  }

  list(kind: string): readonly unknown[] {
    return [...this.#known.values()].flatMap((record) => (record.kind === kind && record.value !== undefined ? [record.value] : []));
  }

  /** Newer versions only. */
  set(key: ValueKey, value: unknown, version: number): void {
    if (version <= (this.#known.get(keyOf(key))?.version ?? 0)) return;
    this.#known.set(keyOf(key), { ...key, value, version });
    this.#notify(key);
  }

  /** Makes the next value of each record count, whatever its version. */
  forgetVersions(): void {
    for (const [id, record] of this.#known) this.#known.set(id, { ...record, version: 0 });
  }

  /** Removes records that are not among these keys, unless they are newer than a version. */
  keepOnly(keys: readonly ValueKey[], version: number): void {
    const kept = new Set(keys.map(keyOf));
    for (const [id, record] of this.#known) {
      if (record.version > version || kept.has(id)) continue;
      this.#known.delete(id);
      if (record.value !== undefined) this.#notify(record);
    }
  }

  subscribe(kind: string, handler: (name: string) => void): () => void {
    const entry = { kind, handler };
    this.#handlers.add(entry);
    return () => this.#handlers.delete(entry);
  }

  #notify(changed: ValueKey): void {
    for (const { kind, handler } of this.#handlers) if (kind === changed.kind) handler(changed.name);
  }
}

/**
 * Makes a store that reads from memory and writes into the ledger.
 *
 * @param submit resolves when the change is committed
 */
export const createKeyedStore = (
  cache: KeyedCache,
  submit: (change: ValueKey & { readonly change: ValueChange; readonly outcome: ValueOutcome }) => Promise<void>,
): KeyedStore => ({
  get: (kind, name) => cache.get(kind, name),
  list: (kind) => cache.list(kind),
  subscribe: (kind, handler) => cache.subscribe(kind, handler),
  update: async (kind, name, change) => {
    const outcome: ValueOutcome = {};
    const before = cache.get(kind, name);
    // What changes nothing needs no database; what is refused may be refused for want of news, and
    // is asked there.
    if (!applyValueChange(before, change, outcome) && outcome.error === undefined) return before;
    await submit({ kind, name, change, outcome });
    if (outcome.error !== undefined) throw outcome.error.reason;
    return outcome.after;
  },
});
