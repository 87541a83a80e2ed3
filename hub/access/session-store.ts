import { isUnscoped, Role, RoleGrant } from '@fso/shared/api';
import { z } from 'zod';
import { type KeyedStore, SESSION_KIND } from '../ledger/index.ts';
import { type Principal, principalOf } from './principal.ts';

const Who = z.object({ kind: z.enum(['local', 'anonymous', 'token', 'user']), id: z.string().max(255), name: z.string().max(255) });

/**
 * Stored principal. An unscoped role is stored as in older versions. Scoped grants are stored
 * without a role: an older hub, which would take the role for an unscoped one, cannot read such a
 * session.
 */
export const StoredPrincipal = z
  .union([Who.extend({ grants: z.array(RoleGrant) }), Who.extend({ role: Role.nullable() })])
  .transform((stored): Principal => {
    const { kind, id, name } = stored;
    const grants = 'grants' in stored ? stored.grants : stored.role === null ? [] : [{ role: stored.role }];
    return principalOf({ kind, id, name }, grants);
  });

/** Converts a principal to its stored form. */
export const toStoredPrincipal = ({ kind, id, name, role, grants }: Principal): z.input<typeof StoredPrincipal> =>
  grants.every(isUnscoped) ? { kind, id, name, role } : { kind, id, name, grants: [...grants] };

/** Stored session, without its id. */
export const SessionRecord = z.object({
  /** SHA-256 of the id, in hexadecimal. */
  hash: z.string().regex(/^[0-9a-f]{64}$/),
  principal: StoredPrincipal,
  byCookie: z.boolean(),
  /** Latest end of the session in milliseconds since 1970, as `usedAt`. */
  endsAt: z.int(),
  /** Last recorded use. */
  usedAt: z.int(),
  /** Key of the credential on which the session depends; null: none. */
  source: z.string().max(100).nullable(),
});
export type SessionRecord = Readonly<z.infer<typeof SessionRecord>>;

/** Changes of the stored sessions by any hub. */
export interface SessionChanges {
  /** Existing sessions, whether changed or not. */
  readonly here: readonly SessionRecord[];
  /** Hashes of sessions that no longer exist. */
  readonly gone: readonly string[];
}

/**
 * Returns the name of the record for a session. Sessions with the same first digits of the hash
 * share a record: the store keeps the names of removed records, so there are only 4,096 of them.
 */
const nameOf = (hash: string): string => hash.slice(0, 3);

/**
 * Parses the sessions of a record. Those in an unreadable format of another version are left out.
 */
const parse = (value: unknown): readonly SessionRecord[] =>
  Array.isArray(value) ? value.flatMap((one) => SessionRecord.safeParse(one).data ?? []) : [];

/**
 * Creates the store of sessions in the ledger, which outlive the process and are shared by all
 * hubs.
 */
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
    /** Calls the handler with all sessions, and then within a second after a change by any hub. */
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
    /** @throws ZodError if a field is too long to be stored */
    add: async (record: SessionRecord): Promise<void> => {
      const checked = SessionRecord.parse({ ...record, principal: toStoredPrincipal(record.principal) });
      await update(checked.hash, () => checked);
    },
    remove: (hash: string): Promise<void> => update(hash, () => undefined),
    used: (hash: string, at: number): Promise<void> =>
      update(hash, (own) => (own !== undefined && own.usedAt < at ? { ...own, usedAt: at } : own)),
  };
};

/** Store of sessions. Writes are durable when they resolve. */
export type SessionStore = ReturnType<typeof createSessionStore>;
