import type { Logger } from '@fso/shared/runtime';
import type { Journal } from '../../ledger/index.ts';
import { comparePolicies } from './policy-changes.ts';
import { type RolloutEntry, type RolloutRecord, withChanges } from './rollout-record.ts';
import { ROLLOUTS_KEPT, writeRollout } from './rollout-store.ts';

/** Writes rollouts: each waits here until a write of its newest state has succeeded. */
export interface RolloutWriter {
  add(entries: readonly RolloutEntry[]): void;
  /**
   * Begins to write what waits, one write of each rollout at a time. Not awaited: with the database
   * away a write takes as long as that is.
   */
  begin(): void;
  /** Begins to write all that waits, also beside writes under way, as nothing comes after it. */
  finish(): void;
  /** Returns the rollouts that are not known to be written. */
  unwritten(): readonly RolloutEntry[];
  /** Replaces the rollouts that wait. */
  replace(entries: readonly RolloutEntry[]): void;
}

export interface RolloutWriterDeps {
  readonly ledger: Pick<Journal, 'records' | 'audit'>;
  readonly logger: Logger;
  /** Handler that is called where a rollout changed while it was written. */
  readonly onMore: () => void;
}

const audit = async (log: Journal['audit'], { commit, changes, counts }: RolloutRecord): Promise<void> => {
  if (counts.added + counts.changed + counts.removed === 0) return;
  await log.append({
    actor: { kind: 'git', id: commit.author.slice(0, 512), roles: [] },
    from: null,
    action: 'policies.change',
    subject: commit.revision,
    detail: { added: changes.added, changed: changes.changed, removed: changes.removed },
  });
};

export const createRolloutWriter = ({ ledger, logger, onMore }: RolloutWriterDeps): RolloutWriter => {
  /** Rollouts that wait, in the order of their first change. */
  const waiting = new Set<RolloutEntry>();
  const writing = new Set<RolloutEntry>();

  const compare = (entry: RolloutEntry): void => {
    if (entry.compare === undefined) return;
    const { before, after } = entry.compare;
    entry.compare = undefined;
    Object.assign(entry.rollout, withChanges(comparePolicies(before, after)));
    entry.isUnaudited = true;
  };
  const auditOnce = async (entry: RolloutEntry): Promise<void> => {
    if (!entry.isUnaudited) return;
    entry.isUnaudited = false;
    try {
      await audit(ledger.audit, entry.rollout);
    } catch (error) {
      entry.isUnaudited = true;
      throw error;
    }
  };
  const write = async (entry: RolloutEntry): Promise<void> => {
    compare(entry);
    const ends = await Promise.allSettled([auditOnce(entry), writeRollout(ledger.records, entry.toRecord())]);
    for (const end of ends) if (end.status === 'rejected') throw end.reason;
  };
  const beginOne = (entry: RolloutEntry): void => {
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
  const add = (entries: readonly RolloutEntry[]): void => {
    for (const entry of entries) waiting.add(entry);
    // Newer rollouts would take their places in the ledger.
    for (const oldest of [...waiting].slice(0, Math.max(0, waiting.size - ROLLOUTS_KEPT))) waiting.delete(oldest);
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
