import { isUnscoped, Role, RoleGrant } from '@fso/shared/api';
import { z } from 'zod';
import { type KeyedStore, SESSION_KIND } from '../ledger/index.ts';
import { type Principal, principalOf } from './principal.ts';

const Who = z.object({ kind: z.enum(['local', 'anonymous', 'token', 'user']), id: z.string().max(255), name: z.string().max(255) });

/**
 * A role for everything is kept as older versions keep it. Grants for a part of it stand without a
 * role: a hub of an older version, which would take that for one everywhere, cannot read such a
 * session.
 */
export const StoredPrincipal = z
  .union([Who.extend({ grants: z.array(RoleGrant) }), Who.extend({ role: Role.nullable() })])
  .transform((stored): Principal => {
    const { kind, id, name } = stored;
    const grants = 'grants' in stored ? stored.grants : stored.role === null ? [] : [{ role: stored.role }];
    return principalOf({ kind, id, name }, grants);
  });

/** Converts a principal to the form in which sessions and links keep it. */
export const toStoredPrincipal = ({ kind, id, name, role, grants }: Principal): z.input<typeof StoredPrincipal> =>
  grants.every(isUnscoped) ? { kind, id, name, role } : { kind, id, name, grants: [...grants] };

/** A session as it is kept: without its id. */
export const SessionRecord = z.object({
  /** SHA-256 of the id, in hexadecimal. */
  hash: z.string().regex(/^[0-9a-f]{64}$/),
  principal: StoredPrincipal,
  byCookie: z.boolean(),
  /** Milliseconds since 1970, as `usedAt`. */
  endsAt: z.int(),
  /** Last recorded use. */
  usedAt: z.int(),
  /** Key of what the session depends on; null: nothing. */
  source: z.string().max(100).nullable(),
});
export type SessionRecord = Readonly<z.infer<typeof SessionRecord>>;

/** Changes of the stored sessions, by this hub or another. */
export interface SessionChanges {
  /** Sessions that exist, whether new, changed or neither. */
  readonly here: readonly SessionRecord[];
  /** Hashes of sessions that no longer exist. */
  readonly gone: readonly string[];
}

/**
 * Sessions whose hashes begin alike lie in one record: what is removed leaves its name behind, so
 * there must not be a new name for each session. These are 4,096 names, for a few sessions each.
 */
const nameOf = (hash: string): string => hash.slice(0, 3);

/**
 * Reads the sessions of a record. Those that another version wrote and this one cannot read are
 * left out.
 */
const parse = (value: unknown): readonly SessionRecord[] =>
  Array.isArray(value) ? value.flatMap((one) => SessionRecord.safeParse(one).data ?? []) : [];

/** Sessions in the ledger, so that they outlive the process and other hubs know them. */
export const createSessionStore = (records: KeyedStore) => {
  const update = async (hash: string, change: (own: SessionRecord | undefined) => SessionRecord | undefined): Promise<void> => {
    await records.update(SESSION_KIND, nameOf(hash), (before) => {
      const stored = parse(before);
      const own = stored.find((record) => record.hash === hash);
      const after = change(own);
      if (after === own) return before;
      const others = stored.filter((record) => record !== own);
      const all = after === undefined ? others : [...others, after];
      return all.length === 0 ? undefined : all.map((record) => ({ ...record, principal: toStoredPrincipal(record.principal) }));
    });
  };

  return {
    /**
     * Calls the handler with the sessions there are, and then within a second with what any hub
     * changed.
     */
    watch: (handler: (changes: SessionChanges) => void): void => {
      const known = new Map<string, readonly string[]>();
      const announce = (name: string): void => {
        const here = parse(records.get(SESSION_KIND, name));
        const hashes = here.map(({ hash }) => hash);
        const gone = (known.get(name) ?? []).filter((hash) => !hashes.includes(hash));
        known.set(name, hashes);
        handler({ here, gone });
      };
      const stored = records.list(SESSION_KIND).flatMap(parse);
      for (const name of new Set(stored.map(({ hash }) => nameOf(hash)))) announce(name);
      records.subscribe(SESSION_KIND, announce);
    },
    /** @throws ZodError for what is too long to be kept */
    add: async (record: SessionRecord): Promise<void> => {
      const checked = SessionRecord.parse({ ...record, principal: toStoredPrincipal(record.principal) });
      await update(checked.hash, () => checked);
    },
    remove: (hash: string): Promise<void> => update(hash, () => undefined),
    used: (hash: string, at: number): Promise<void> =>
      update(hash, (own) => (own !== undefined && own.usedAt < at ? { ...own, usedAt: at } : own)),
  };
};

/** Store of sessions. A resolved write is durable. */
export type SessionStore = ReturnType<typeof createSessionStore>;
