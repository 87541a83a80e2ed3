import type { Clock, Logger } from '@fso/shared/runtime';
import type { Database } from '../database.ts';
import { clearLists } from '../named-lists.ts';
import { readVersion } from '../write-lock.ts';
import { advanceRetention, clearCheckpoints, clearHistory, clearRecords, forgetReplicas, type HistoryLimits, oldestOf } from './history.ts';
import type { HistoryKeeper } from './history-keeper.ts';

/**
 * Minimum age at which an unreferenced list is deleted. An agent that accepted the list may be
 * disconnected for days before it reports it.
 */
const LIST_GRACE = { days: 7 };

interface ClearingDeps {
  readonly database: Database;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly history: HistoryLimits;
  /** Name of this hub. */
  readonly replica: string;
  /** Returns the lists to keep at any age; undefined: not known yet. */
  readonly keptLists: () => ReadonlySet<string> | undefined;
  readonly histories: HistoryKeeper;
  readonly signal: AbortSignal;
}

/** Deletes history beyond its limits of age and size. The leading hub runs it once an hour. */
export class Clearing {
  readonly #deps: ClearingDeps;
  /** Version of the ledger at the previous run. All live hubs have read the removals up to it. */
  #removedUpTo = 0;

  constructor(deps: ClearingDeps) {
    this.#deps = deps;
  }

  async run(): Promise<void> {
    const { database, clock, replica } = this.#deps;
    const { db, shared } = database;
    if (shared) await forgetReplicas(db, replica);
    await clearRecords(database, this.#removedUpTo, clock.now());
    this.#removedUpTo = await readVersion(db);
    const now = await advanceRetention(database, clock.now());
    await clearCheckpoints(db, now);
    await this.#clearHistory(now);
    await this.#clearLists(now);
  }

  async #clearHistory(now: Date): Promise<void> {
    const { database, histories, history, logger, signal } = this.#deps;
    const events = await clearHistory(database.db, history, now, signal);
    if (events.deleted > 0) logger.info({ events: events.deleted }, 'history cleared');
    const clusters = await histories.clear(oldestOf(history, now));
    if (events.left + clusters > 0)
      logger.warn({ events: events.left, clusters }, 'much of the history is older than is kept: a fifth goes each hour; check the clock');
  }

  /**
   * Deletes unreferenced lists. Called after the history was cleared, because history refers to
   * lists.
   */
  async #clearLists(now: Date): Promise<void> {
    const { database, keptLists, logger, signal } = this.#deps;
    const kept = keptLists();
    if (kept === undefined) return;
    const count = await clearLists(database, { before: oldestOf(LIST_GRACE, now), kept, signal });
    if (count > 0) logger.info({ lists: count }, 'lists of policies cleared');
  }
}
