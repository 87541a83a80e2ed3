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

/**
 * Store of JSON values by kind and name, kept in the ledger for other parts of the hub and shared
 * by all hubs on one database. Reads come from memory; changes of all hubs are applied one after
 * the other, and a resolved one is durable.
 */
export interface KeyedStore {
  get(kind: string, name: string): unknown;
  /** Returns the values of a kind, in no particular order. */
  list(kind: string): readonly unknown[];
  /** @returns the record that `change` made; undefined or null removes it */
  update(kind: string, name: string, change: ValueChange): Promise<unknown>;
  /**
   * Calls a handler for each changed record, within a second, whichever hub changed it.
   *
   * @returns a function that ends the subscription
   */
  subscribe(kind: string, handler: (name: string) => void): () => void;
}

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

/** The records in memory. */
export interface KeyedCache extends Omit<KeyedStore, 'update'> {
  /** Newer versions only. */
  set(key: ValueKey, value: unknown, version: number): void;
  /** Removes records that are not among these keys, unless they are newer than a version. */
  keepOnly(keys: readonly ValueKey[], version: number): void;
}

const keyOf = ({ kind, name }: ValueKey): string => `${kind} ${name}`;

export const createKeyedCache = (): KeyedCache => {
  const known = new Map<string, ValueKey & { readonly value: unknown; readonly version: number }>();
  const handlers = new Set<{ readonly kind: string; readonly handler: (name: string) => void }>();
  const tell = (changed: ValueKey): void => {
    for (const { kind, handler } of handlers) if (kind === changed.kind) handler(changed.name);
  };
  return {
    get: (kind, name) => known.get(keyOf({ kind, name }))?.value,
    list: (kind) => [...known.values()].flatMap((record) => (record.kind === kind && record.value !== undefined ? [record.value] : [])),
    set: (key, value, version) => {
      if (version <= (known.get(keyOf(key))?.version ?? 0)) return;
      known.set(keyOf(key), { ...key, value, version });
      tell(key);
    },
    keepOnly: (keys, version) => {
      const kept = new Set(keys.map(keyOf));
      for (const [id, record] of known) {
        if (record.version > version || kept.has(id)) continue;
        known.delete(id);
        if (record.value !== undefined) tell(record);
      }
    },
    subscribe: (kind, handler) => {
      const entry = { kind, handler };
      handlers.add(entry);
      return () => handlers.delete(entry);
    },
  };
};

/** @param submit resolves when the change is committed */
export const createKeyedStore = (
  cache: KeyedCache,
  submit: (change: ValueKey & { readonly change: ValueChange; readonly outcome: ValueOutcome }) => Promise<void>,
): KeyedStore => ({
  get: cache.get,
  list: cache.list,
  subscribe: cache.subscribe,
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
