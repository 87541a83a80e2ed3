/** Kind of session records. Backups leave them out: a copy of the ledger must not grant access. */
export const SESSION_KIND = 'session';
/** Kind of the record of one-time login links. Backups leave it out as well. */
export const LOGIN_LINK_KIND = 'login-link';

/**
 * Returns the new record for the current one (undefined: none). It may be called more than once, so
 * it must be pure. If it throws, nothing changes and the caller gets the error.
 */
export type ValueChange = (before: unknown) => unknown;

/** Reads JSON values by kind and name from memory. */
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
 * Store of JSON values of other parts of the hub, shared by all hubs on one database. Changes of
 * all hubs are applied one after the other. A change is durable when its promise resolves.
 */
export interface KeyedStore extends KeyedReader {
  /** Changes a record; undefined or null removes it. @returns the record that `change` returned */
  update(kind: string, name: string, change: ValueChange): Promise<unknown>;
}

/** Kind and name of a stored value. */
export interface ValueKey {
  readonly kind: string;
  readonly name: string;
}

/**
 * Result of a change to a record. Filled while the change is planned; final once it is committed.
 */
export interface ValueOutcome {
  after?: unknown;
  error?: { readonly reason: unknown };
}

/**
 * Applies a change. An error concerns this change only, not others in the same commit.
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

/** Records in memory. */
export class KeyedCache implements KeyedReader {
  readonly #known = new Map<string, ValueKey & { readonly value: unknown; readonly version: number }>();
  readonly #handlers = new Set<{ readonly kind: string; readonly handler: (name: string) => void }>();

  get(kind: string, name: string): unknown {
    return this.#known.get(keyOf({ kind, name }))?.value;
  }

  list(kind: string): readonly unknown[] {
    return [...this.#known.values()].flatMap((record) => (record.kind === kind && record.value !== undefined ? [record.value] : []));
  }

  /** Sets a value, unless the version in memory is as new. */
  set(key: ValueKey, value: unknown, version: number): void {
    if (version <= (this.#known.get(keyOf(key))?.version ?? 0)) return;
    this.#known.set(keyOf(key), { ...key, value, version });
    this.#notify(key);
  }

  /** Forgets the versions, so that the next value of each record is taken whatever its version. */
  forgetVersions(): void {
    for (const [id, record] of this.#known) this.#known.set(id, { ...record, version: 0 });
  }

  /** Removes records with other keys, unless they are newer than a version. */
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
 * Creates a store that reads from memory and writes to the ledger.
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
    // A change without effect is not written. A change that was refused is submitted: the record in
    // memory may be out of date, so the database decides.
    if (!applyValueChange(before, change, outcome) && outcome.error === undefined) return before;
    await submit({ kind, name, change, outcome });
    if (outcome.error !== undefined) throw outcome.error.reason;
    return outcome.after;
  },
});
