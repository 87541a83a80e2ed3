import type { AuditEntry } from '@fso/shared/api';
import type { Kysely } from 'kysely';
import { matchesAudit, readAudit } from '../audit/read.ts';
import type { AuditLog, AuditQuery } from '../audit/types.ts';
import { verifyAudit } from '../audit/verify.ts';
import type { ChangeInput } from '../writes.ts';
import { entryOf, readHead } from './audit-rows.ts';
import type { Schema } from './schema.ts';

const PAGE = 1_000;
const MAX_CHECKPOINTS = 10_000;

export const createSqlAudit = (db: Kysely<Schema>, submit: (change: ChangeInput) => Promise<void>): AuditLog => {
  const page = async (before: number | undefined): Promise<AuditEntry[]> => {
    let query = db.selectFrom('audit').selectAll().orderBy('sequence', 'desc').limit(PAGE);
    if (before !== undefined) query = query.where('sequence', '<', before);
    return (await query.execute()).map(entryOf);
  };
  const log = {
    append: (entry: Parameters<AuditLog['append']>[0]) => submit({ type: 'audit', entry }),
    list: async (query: AuditQuery) => {
      const found: AuditEntry[] = [];
      let { before } = query;
      for (;;) {
        const entries = await page(before);
        found.push(...entries.filter((entry) => matchesAudit(entry, query)));
        if (found.length >= query.limit || entries.length < PAGE) return found.slice(0, query.limit);
        before = entries.at(-1)?.sequence;
      }
    },
    after: async (sequence: number, limit: number) => {
      const rows = await db.selectFrom('audit').selectAll().where('sequence', '>', sequence).orderBy('sequence').limit(limit).execute();
      return rows.map(entryOf);
    },
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
