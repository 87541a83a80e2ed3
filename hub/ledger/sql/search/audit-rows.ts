import { AuditEntry } from '@fso/shared/api';
import { canonicalJson, sha256 } from '@fso/shared/encoding';
import { NO_HASH } from '@fso/shared/protocol';
import type { Kysely } from 'kysely';
import { type AuditHead, NO_HEAD } from '../../audit-log.ts';
import type { Schema } from '../schema.ts';

interface AuditRow {
  readonly sequence: number;
  readonly entry_json: string;
}

/**
 * Returns the entry for a damaged row. It keeps its place in the log; no intact entry could have
 * its hash.
 */
const unreadable = ({ sequence, entry_json }: AuditRow): AuditEntry => ({
  sequence,
  time: new Date(0).toISOString(),
  actor: { kind: 'hub', id: 'hub', roles: [] },
  from: null,
  action: 'entry.unreadable',
  subject: '',
  detail: {},
  previous: NO_HASH,
  hash: sha256(`unreadable ${entry_json}`),
});

/** Parses a row. Its text must be exactly what was written: equivalent JSON was changed too. */
export const entryOf = (row: AuditRow): AuditEntry => {
  try {
    const entry = AuditEntry.parse(JSON.parse(row.entry_json));
    return entry.sequence === row.sequence && canonicalJson(entry) === row.entry_json ? entry : unreadable(row);
  } catch {
    return unreadable(row);
  }
};

const HASH = /^[0-9a-f]{64}$/;

/** Returns the hash of an entry. Also works for entries of a newer version with unknown fields. */
const hashIn = (json: string): string | undefined => {
  try {
    const hash: unknown = Reflect.get(Object(JSON.parse(json)), 'hash');
    return typeof hash === 'string' && HASH.test(hash) ? hash : undefined;
  } catch {
    return undefined;
  }
};

/**
 * Reads the end of the log, which the next entry follows. A damaged last entry must not block later
 * ones: they follow the hash that readers see, and a verification reports only the damaged entry.
 */
export const readHead = async (db: Kysely<Schema>): Promise<AuditHead & { readonly damaged: boolean }> => {
  const last = await db.selectFrom('audit').select(['sequence', 'entry_json']).orderBy('sequence', 'desc').limit(1).executeTakeFirst();
  if (last === undefined) return { ...NO_HEAD, damaged: false };
  const hash = hashIn(last.entry_json);
  return { sequence: last.sequence, hash: hash ?? unreadable(last).hash, damaged: hash === undefined };
};
