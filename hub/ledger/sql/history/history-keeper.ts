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
 * Limits of the history of one cluster, however young: one that changes all the time must not fill
 * the database.
 */
const KEPT = { rows: 10_000, bytes: 4 * 1024 * 1024 };
/** Limits of the rows that are merged at a time. */
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

/** Rows up to this one are more than is kept; 0: none. */
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

/** Selects the oldest due rows to merge at a time. Two of them fit, whatever their size. */
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

/** Puts the oldest rows of a cluster together. @returns whether there may be more of them */
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
    // Another hub may have done it meanwhile.
    if (stored.length < ids.length) return;
    await trx.deleteFrom('cluster_history').where('id', 'in', ids.slice(1)).execute();
    // The first one stays, so that a reader who comes from newer rows finds what went with them.
    const row = { time: stored.at(-1)?.time ?? '', ...rowOf(changes) };
    await trx.updateTable('cluster_history').set(row).where('id', '=', first).execute();
  });
  return true;
};

/** The row up to which one clearing puts rows of a cluster together for their age. */
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

/**
 * Whether more than the oldest row, in which others may be put together already, is older than a
 * time.
 */
const isOld = async (db: Kysely<Schema>, cluster: string, oldest: string): Promise<boolean> => {
  const rows = db.selectFrom('cluster_history').select('time').where('cluster', '=', cluster);
  const [, second] = await rows.orderBy('id').limit(2).execute();
  return second !== undefined && second.time < oldest;
};

/**
 * Rows of a history that may be too much; where they are few, they are small, or were looked at as
 * they were written.
 */
const LONG = 1_000;

const isLong = async (db: Kysely<Schema>, cluster: string): Promise<boolean> => {
  const rows = db.selectFrom('cluster_history').select('id').where('cluster', '=', cluster);
  return (await rows.orderBy('id').offset(LONG).limit(1).execute()).length > 0;
};

/** Database, log and end of a history keeper. */
export interface HistoryKeeperDeps extends Pick<Database, 'db' | 'shared'> {
  readonly logger: Logger;
  /** Stops all work when aborted. */
  readonly signal: AbortSignal;
}

const HOURS = 24;

/** Bytes written to the history of a cluster after which its size is checked. */
const LOOK_BYTES = 4 * 1024 * 1024;

/**
 * Keeps the history of each cluster within its bounds. History beyond them is merged into the state
 * at its end.
 */
export class HistoryKeeper {
  readonly #deps: HistoryKeeperDeps;
  readonly #written = new Map<string, number>();
  #running: Promise<void> = Promise.resolve();
  #cleared = 0;

  constructor(deps: HistoryKeeperDeps) {
    this.#deps = deps;
  }

  /** @param bytes by cluster, as they were written */
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
   * Merges the history older than a time in all clusters, a share at a time. Once a day it also
   * merges histories that are too long, whichever hub wrote them. Called once an hour.
   *
   * @returns number of clusters that still have history that old
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

  /** Resolves when nothing is under way. */
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
      // The others must not wait for one whose history cannot be put together.
      logger.warn({ cluster, reason: messageOf(error) }, 'history of a cluster not shortened');
    }
  }
}
