import { setImmediate } from 'node:timers/promises';
import { type Logger, messageOf } from '@fso/shared/runtime';
import type { Kysely } from 'kysely';
import { compactHistory } from '../../history/compact-history.ts';
import type { HistoryChange } from '../../types.ts';
import type { Database } from '../database.ts';
import type { Schema } from '../schema.ts';
import { lockWrites } from '../write-lock.ts';
import { clusterNames, ROW_BYTES, rowOf } from './cluster-history.ts';
import { CLEARED_SHARE } from './history.ts';

/**
 * Limits of the history of one cluster, regardless of age: a cluster that changes all the time must
 * not fill the database.
 */
const KEPT = { rows: 10_000, bytes: 4 * 1024 * 1024 };
/** Limits of the rows that are merged in one step. */
const COMPACTED = { rows: 1_000, bytes: 4 * 1024 * 1024 };

interface RowSize {
  readonly id: number;
  readonly time: string;
  readonly bytes: number;
}

const sizes = (db: Kysely<Schema>, cluster: string) =>
  db
    .selectFrom('cluster_history')
    .select((eb) => ['id', 'time', eb.fn<number>('length', ['changes_json']).as('bytes')])
    .where('cluster', '=', cluster);

/** Finds the newest row beyond the limits; 0: none. */
const findExcess = async (db: Kysely<Schema>, cluster: string): Promise<number> => {
  const newest = await sizes(db, cluster)
    .orderBy('id', 'desc')
    .limit(KEPT.rows + 1)
    .execute();
  let left = KEPT.bytes;
  const first = newest.find(({ bytes }, at) => {
    left -= bytes + ROW_BYTES;
    return left < 0 || at === KEPT.rows;
  });
  return first?.id ?? 0;
};

/** Selects the oldest due rows for one step. At least two are taken, whatever their size. */
const takeSome = (oldest: readonly RowSize[], isDue: (row: RowSize) => boolean): readonly number[] => {
  const taken: number[] = [];
  let left = COMPACTED.bytes;
  for (const row of oldest) {
    left -= row.bytes;
    if (!isDue(row) || (left < 0 && taken.length > 1)) break;
    taken.push(row.id);
  }
  return taken;
};

/** Merges the oldest rows of a cluster. @returns whether there may be more to merge */
const compactSome = async (
  { db, shared }: Pick<Database, 'db' | 'shared'>,
  cluster: string,
  isDue: (row: RowSize) => boolean,
): Promise<boolean> => {
  const oldest = await sizes(db, cluster).orderBy('id').limit(COMPACTED.rows).execute();
  const ids = takeSome(oldest, isDue);
  const [first] = ids;
  if (first === undefined || ids.length < 2) return false;
  await db.transaction().execute(async (trx) => {
    if (shared) await lockWrites(trx);
    const rows = trx.selectFrom('cluster_history').select(['time', 'changes_json']).where('id', 'in', ids).orderBy('id');
    const stored = await rows.execute();
    const changes = compactHistory(stored.flatMap(({ changes_json }) => JSON.parse(changes_json) as HistoryChange[]));
    // Another hub may have merged them meanwhile.
    if (stored.length < ids.length) return;
    await trx.deleteFrom('cluster_history').where('id', 'in', ids.slice(1)).execute();
    // The first row is kept, because a reader that pages from newer rows continues with it.
    const row = { time: stored.at(-1)?.time ?? '', ...rowOf(changes) };
    await trx.updateTable('cluster_history').set(row).where('id', '=', first).execute();
  });
  return true;
};

/** Finds the row up to which one run merges rows of a cluster because of their age. */
const findShare = async (db: Kysely<Schema>, cluster: string): Promise<number> => {
  const rows = db.selectFrom('cluster_history').where('cluster', '=', cluster);
  const { count } = await rows.select((eb) => eb.fn.countAll<number>().as('count')).executeTakeFirstOrThrow();
  const last = rows
    .select('id')
    .orderBy('id')
    .offset(Math.ceil(Number(count) * CLEARED_SHARE))
    .limit(1);
  return (await last.executeTakeFirst())?.id ?? Number.POSITIVE_INFINITY;
};

/** Whether the second-oldest row is older than a time. The oldest may be the result of a merge. */
const isOld = async (db: Kysely<Schema>, cluster: string, oldest: string): Promise<boolean> => {
  const rows = db.selectFrom('cluster_history').select('time').where('cluster', '=', cluster);
  const [, second] = await rows.orderBy('id').limit(2).execute();
  return second !== undefined && second.time < oldest;
};

/**
 * Number of rows from which a history is checked for excess. Shorter ones are small, or were
 * checked when they were written.
 */
const LONG = 1_000;

const isLong = async (db: Kysely<Schema>, cluster: string): Promise<boolean> => {
  const rows = db.selectFrom('cluster_history').select('id').where('cluster', '=', cluster);
  return (await rows.orderBy('id').offset(LONG).limit(1).execute()).length > 0;
};

/** Database, logger and abort signal of a history keeper. */
export interface HistoryKeeperDeps extends Pick<Database, 'db' | 'shared'> {
  readonly logger: Logger;
  /** Stops all work. */
  readonly signal: AbortSignal;
}

const HOURS = 24;

/** Bytes written to the history of a cluster after which its size is checked. */
const LOOK_BYTES = 4 * 1024 * 1024;

/**
 * Keeps the history of each cluster within its bounds. Excess history is merged into the state at
 * its end.
 */
export class HistoryKeeper {
  readonly #deps: HistoryKeeperDeps;
  readonly #written = new Map<string, number>();
  #running: Promise<void> = Promise.resolve();
  #cleared = 0;

  constructor(deps: HistoryKeeperDeps) {
    this.#deps = deps;
  }

  /** Counts bytes written to histories. @param bytes by cluster */
  note(bytes: ReadonlyMap<string, number>): void {
    for (const [cluster, added] of bytes) {
      const written = (this.#written.get(cluster) ?? 0) + added;
      this.#written.set(cluster, written);
      if (written < LOOK_BYTES) continue;
      this.#written.delete(cluster);
      this.#running = this.#running.then(() => this.#compact(cluster));
    }
  }

  /**
   * Merges the history older than a time in all clusters, a share per run. Once a day also merges
   * histories that are too long, whichever hub wrote them. Called once an hour.
   *
   * @returns number of clusters that still have older history
   */
  async clear(oldest: string): Promise<number> {
    const { db, signal } = this.#deps;
    const isDaily = this.#cleared % HOURS === 0;
    this.#cleared += 1;
    let left = 0;
    for await (const cluster of clusterNames(db)) {
      if (signal.aborted) break;
      const isDue = await isOld(db, cluster, oldest);
      if (isDue || (isDaily && (await isLong(db, cluster)))) await this.#compact(cluster, oldest);
      if (isDue && (await isOld(db, cluster, oldest))) left += 1;
    }
    return left;
  }

  /** Resolves when no work is running. */
  idle(): Promise<void> {
    return this.#running;
  }

  async #compact(cluster: string, oldest?: string): Promise<void> {
    const { db, logger, signal } = this.#deps;
    try {
      if (signal.aborted) return;
      const excess = await findExcess(db, cluster);
      const share = oldest === undefined ? 0 : await findShare(db, cluster);
      const isDue = ({ id, time }: RowSize): boolean => id <= excess || (oldest !== undefined && time < oldest && id <= share);
      while (!signal.aborted && (await compactSome(this.#deps, cluster, isDue))) await setImmediate();
    } catch (error) {
      // A history that cannot be merged must not block the others.
      logger.warn({ cluster, reason: messageOf(error) }, 'history of a cluster not shortened');
    }
  }
}
