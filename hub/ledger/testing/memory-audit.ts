import type { AuditEntry, NewAuditEntry } from '@fso/shared/api';
import type { Checkpoint } from '@fso/shared/protocol';
import { matchesAudit, readAudit } from '../audit/read.ts';
import { verifyAudit } from '../audit/verify.ts';
import type { AuditFilter, AuditHead, AuditLog, AuditQuery, AuditSearch, FoundAudit } from '../audit-log.ts';
import { chainEntry, NO_HEAD } from '../audit-log.ts';

/** Creates an audit log of this process only. */
export const createMemoryAudit = (now: () => string): AuditLog & { add(entries: readonly NewAuditEntry[], time: string): void } => {
  const entries: AuditEntry[] = [];
  const checkpoints: Checkpoint[] = [];
  const witnesses = new Map<string, { cluster: string; checkpoint: Checkpoint; seen: string }>();
  const head = (): AuditHead => entries.at(-1) ?? NO_HEAD;
  const add = (added: readonly NewAuditEntry[], time: string): void => {
    for (const entry of added) entries.push(chainEntry(entry, head(), time));
  };
  const log = {
    append: async (entry: NewAuditEntry) => add([entry], now()),
    list: async ({ before = Number.POSITIVE_INFINITY, limit, ...filter }: AuditQuery) =>
      entries
        .filter((entry) => entry.sequence < before && matchesAudit(entry, filter))
        .reverse()
        .slice(0, limit),
    after: async (sequence: number, limit: number, filter: AuditFilter = {}) =>
      entries
        .slice(sequence)
        .filter((entry) => matchesAudit(entry, filter))
        .slice(0, limit),
    search: async ({ filter, order, from, limit }: AuditSearch): Promise<FoundAudit> => {
      const found =
        order === 'asc'
          ? await log.after(from ?? 0, limit, filter)
          : await log.list({ ...filter, ...(from === undefined ? {} : { before: from }), limit });
      return { entries: found, next: found.length < limit ? null : (found.at(-1)?.sequence ?? null) };
    },
    head: async () => ({ sequence: head().sequence, hash: head().hash }),
    proofs: async () => ({ checkpoints: [...checkpoints], witnesses: [...witnesses.values()] }),
    lastCheckpoint: async () => checkpoints.at(-1) ?? null,
    addCheckpoint: async (checkpoint: Checkpoint) => void checkpoints.push(checkpoint),
    addWitness: async (cluster: string, checkpoint: Checkpoint) => void witnesses.set(cluster, { cluster, checkpoint, seen: now() }),
  };
  return { ...log, add, verify: async () => verifyAudit(readAudit(log), { ...(await log.proofs()), key: null }) };
};
