import type { AuditEntry } from '@fso/shared/api';
import { type Kysely, type Selectable, type SelectQueryBuilder, sql } from 'kysely';
import { matchesAudit, readAudit } from '../audit/read.ts';
import type { AuditFilter, AuditLog, AuditQuery } from '../audit/types.ts';
import { verifyAudit } from '../audit/verify.ts';
import type { ChangeInput } from '../writes.ts';
import { entryOf, readHead } from './audit-rows.ts';
import type { Schema } from './schema.ts';

const PAGE = 1_000;
/** Where few are wanted: not all that the database finds is meant. */
const MIN_PAGE = 50;
const MAX_CHECKPOINTS = 10_000;

type Rows = SelectQueryBuilder<Schema, 'audit', Selectable<Schema['audit']>>;

/** The canonical form of an entry ends with its time; the index `audit_time` is on the same expression. */
const time = sql<string>`left(right(entry_json, 26), 24) collate "C"`;
const holds = (text: string) => sql<boolean>`strpos(entry_json, ${text}) > 0`;

/** Leaves out what the database can tell by the text alone. */
const narrow = (query: Rows, { action, since, until, ...named }: AuditFilter): Rows => {
  let narrowed = query;
  if (action !== undefined) narrowed = narrowed.where(holds(`"action":${JSON.stringify(action)}`));
  if (since !== undefined) narrowed = narrowed.where(time, '>=', since);
  if (until !== undefined) narrowed = narrowed.where(time, '<=', until);
  for (const name of Object.values(named)) if (name !== undefined) narrowed = narrowed.where(holds(JSON.stringify(name)));
  return narrowed;
};

interface Reading {
  readonly order: 'asc' | 'desc';
  /** Behind this entry; undefined: from the first one in that order. */
  readonly from: number | undefined;
  readonly limit: number;
}

const readEntries = async (db: Kysely<Schema>, filter: AuditFilter, { order, from, limit }: Reading): Promise<AuditEntry[]> => {
  const found: AuditEntry[] = [];
  const size = Math.min(PAGE, Math.max(limit, MIN_PAGE));
  for (let last = from; ; ) {
    const rest = narrow(db.selectFrom('audit').selectAll(), filter).orderBy('sequence', order).limit(size);
    const rows = await (last === undefined ? rest : rest.where('sequence', order === 'asc' ? '>' : '<', last)).execute();
    found.push(...rows.map(entryOf).filter((entry) => matchesAudit(entry, filter)));
    if (found.length >= limit || rows.length < size) return found.slice(0, limit);
    last = rows.at(-1)?.sequence;
  }
};

export const createSqlAudit = (db: Kysely<Schema>, submit: (change: ChangeInput) => Promise<void>): AuditLog => {
  const log = {
    append: (entry: Parameters<AuditLog['append']>[0]) => submit({ type: 'audit', entry }),
    list: ({ before, limit, ...filter }: AuditQuery) => readEntries(db, filter, { order: 'desc', from: before, limit }),
    after: (sequence: number, limit: number, filter: AuditFilter = {}) => readEntries(db, filter, { order: 'asc', from: sequence, limit }),
    head: async () => {
      const { sequence, hash } = await readHead(db);
      return { sequence, hash };
    },
    proofs: async () => {
      const checkpoints = await db.selectFrom('checkpoints').selectAll().orderBy('sequence', 'desc').limit(MAX_CHECKPOINTS).execute();
      const witnesses = await db.selectFrom('witnesses').selectAll().orderBy('cluster').execute();
      return {
        checkpoints: checkpoints.reverse(),
        witnesses: witnesses.map(({ cluster, seen, ...checkpoint }) => ({ cluster, seen: seen.toISOString(), checkpoint })),
      };
    },
    lastCheckpoint: async () => {
      const row = await db
        .selectFrom('checkpoints')
        .selectAll()
        .orderBy('sequence', 'desc')
        .orderBy('time', 'desc')
        .limit(1)
        .executeTakeFirst();
      return row ?? null;
    },
    addCheckpoint: (checkpoint: Parameters<AuditLog['addCheckpoint']>[0]) => submit({ type: 'checkpoint', checkpoint }),
    addWitness: (cluster: string, checkpoint: Parameters<AuditLog['addWitness']>[1]) => submit({ type: 'witness', cluster, checkpoint }),
  };
  return { ...log, verify: async () => verifyAudit(readAudit(log), { ...(await log.proofs()), key: null }) };
};
