import { policyKey, SYSTEM_NAMESPACE } from '@fso/shared/api';
import type pino from 'pino';
import type { Ledger } from '../../ledger/index.ts';
import { comparePolicies } from './policy-changes.ts';
import { type StoredVisit, withChanges } from './rollout-record.ts';
import { VISITS_KEPT, writeVisit } from './rollout-store.ts';
import type { Entry } from './rollout-tracker.ts';

/** Visits that are to be written: each waits here until a write of its newest state has succeeded. */
export interface VisitWriter {
  add(entries: readonly Entry[]): void;
  /** Begins to write what waits, one write of each visit at a time. Nobody waits for it: with the database away it takes as long as that is. */
  begin(): void;
  /** Begins to write all that waits, also beside writes under way, as nothing comes after it. */
  finish(): void;
  /** What is not known to be written. */
  unwritten(): readonly Entry[];
  /** In place of what waits. */
  replace(entries: readonly Entry[]): void;
}

export interface VisitWriterDeps {
  readonly ledger: Pick<Ledger, 'records' | 'audit'>;
  readonly logger: pino.Logger;
  /** Called where a visit changed while it was written. */
  readonly onMore: () => void;
}

const audit = async (log: Ledger['audit'], { commit, changes, counts }: StoredVisit): Promise<void> => {
  if (counts.added + counts.changed + counts.removed === 0) return;
  const keys = (names: readonly string[]): string[] => names.map((name) => policyKey({ namespace: SYSTEM_NAMESPACE, name }));
  await log.append({
    actor: { kind: 'git', id: commit.author.slice(0, 512), roles: [] },
    from: null,
    action: 'policies.change',
    subject: commit.revision,
    detail: { added: keys(changes.added), changed: keys(changes.changed), removed: keys(changes.removed) },
  });
};

export const createVisitWriter = ({ ledger, logger, onMore }: VisitWriterDeps): VisitWriter => {
  /** In the order of their first change. */
  const waiting = new Set<Entry>();
  const writing = new Set<Entry>();

  const compare = (entry: Entry): void => {
    if (entry.compare === undefined) return;
    const { before, after } = entry.compare;
    entry.compare = undefined;
    Object.assign(entry.visit, withChanges(comparePolicies(before, after)));
    entry.isUnaudited = true;
  };
  const auditOnce = async (entry: Entry): Promise<void> => {
    if (entry.isUnaudited !== true) return;
    entry.isUnaudited = false;
    try {
      await audit(ledger.audit, entry.visit);
    } catch (error) {
      entry.isUnaudited = true;
      throw error;
    }
  };
  const write = async (entry: Entry): Promise<void> => {
    compare(entry);
    const ends = await Promise.allSettled([auditOnce(entry), writeVisit(ledger.records, entry.visit)]);
    for (const end of ends) if (end.status === 'rejected') throw end.reason;
  };
  const beginOne = (entry: Entry): void => {
    waiting.delete(entry);
    writing.add(entry);
    write(entry).then(
      () => {
        writing.delete(entry);
        if (waiting.has(entry)) onMore();
      },
      (err: unknown) => {
        logger.error({ err }, 'activity of a commit not recorded');
        writing.delete(entry);
        // Tried again the next time.
        waiting.add(entry);
      },
    );
  };
  const add = (entries: readonly Entry[]): void => {
    for (const entry of entries) waiting.add(entry);
    // Newer visits would take their places in the ledger.
    for (const oldest of [...waiting].slice(0, Math.max(0, waiting.size - VISITS_KEPT))) waiting.delete(oldest);
  };

  return {
    add,
    begin: () => {
      for (const entry of [...waiting]) if (!writing.has(entry)) beginOne(entry);
    },
    finish: () => {
      for (const entry of [...waiting]) beginOne(entry);
    },
    unwritten: () => [...new Set([...writing, ...waiting])],
    replace: (entries) => {
      waiting.clear();
      add(entries);
    },
  };
};
