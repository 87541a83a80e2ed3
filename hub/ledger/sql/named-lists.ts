import { setImmediate } from 'node:timers/promises';
import { type Kysely, sql, type Transaction } from 'kysely';
import type { PolicyLists } from '../policies/index.ts';
import type { Batch } from './batch/plan-batch.ts';
import { slices } from './batch/statements.ts';
import type { Database } from './database.ts';
import { type ListRow, makeListRow } from './policy-lists.ts';
import type { Schema } from './schema.ts';
import { lockWrites } from './write-lock.ts';

/**
 * Named lists of policies, which can always be read. A list is named by another list that builds on
 * it, or by the history of a cluster, which names every list that a hub knows the cluster to have.
 * A transaction that is the first to name a list stores it again if it was cleared. Clearing and
 * naming both hold the write lock, so neither can miss the other.
 */

/** Digests of the lists that a batch may be the first to name. */
function* digestsNamedBy({ lists, clusters }: Batch): Generator<string> {
  for (const { base } of lists) if (base !== null) yield base;
  for (const { history } of clusters.values()) for (const { baseline } of history) if (baseline) yield baseline.list;
}

/** Makes the rows of lists that a batch names, and that were cleared while this hub had them in memory. @param stored now, RFC 3339 */
export const missingLists = async (
  trx: Transaction<Schema>,
  { batch, lists }: { readonly batch: Batch; readonly lists: PolicyLists },
  stored: string,
): Promise<readonly ListRow[]> => {
  const missing = new Set(digestsNamedBy(batch));
  for (const { digest } of batch.lists) missing.delete(digest);
  for (const digests of slices([...missing])) {
    const found = await trx.selectFrom('policy_lists').select('digest').where('digest', 'in', digests).execute();
    for (const { digest } of found) missing.delete(digest);
  }
  const known = [...missing].flatMap((digest) => lists.get(digest) ?? []);
  return known.filter(({ isNamed }) => !isNamed).map((list) => makeListRow({ list, base: undefined }, stored));
};

/** Lists of one step: each is looked for in two indexes. */
const STEP = 100;

const isUnnamed = sql<boolean>`not exists (select 1 from cluster_history where cluster_history.list = policy_lists.digest)`;
const isNoBase = sql<boolean>`not exists (select 1 from policy_lists as above where above.base = policy_lists.digest)`;

/**
 * Deletes those of some lists that nothing names. A list is deleted before the one it builds on.
 */
const deleteUnnamed = ({ db, shared }: Pick<Database, 'db' | 'shared'>, digests: readonly string[]): Promise<number> =>
  db.transaction().execute(async (trx) => {
    if (shared) await lockWrites(trx);
    const unnamed = trx.deleteFrom('policy_lists').where('digest', 'in', digests).where(isUnnamed).where(isNoBase);
    let deleted = 0;
    for (;;) {
      const count = Number((await unnamed.executeTakeFirstOrThrow()).numDeletedRows);
      deleted += count;
      if (count === 0) return deleted;
    }
  });

type Place = Pick<ListRow, 'digest'> & { readonly version: number };

/** The next lists that were stored before a time, the newest first. @param last none of them, and none that is newer */
const readStep = (db: Kysely<Schema>, before: string, last: Place | undefined) => {
  let query = db
    .selectFrom('policy_lists')
    .select(['digest', 'version', isUnnamed.as('unnamed')])
    .where('stored', '<', before);
  if (last !== undefined) query = query.where(sql<boolean>`(version, digest) < (${last.version}, ${last.digest})`);
  return query.orderBy('version', 'desc').orderBy('digest', 'desc').limit(STEP).execute();
};

interface Clearing {
  /** RFC 3339: lists that were stored later stay, as agents may be about to name them. */
  readonly before: string;
  /** Digests of lists that stay all the same. */
  readonly kept: ReadonlySet<string>;
  readonly signal: AbortSignal;
}

/** Clears the lists that nothing names, some at a time. @returns number of deleted lists */
export const clearLists = async ({ db, shared }: Pick<Database, 'db' | 'shared'>, { before, kept, signal }: Clearing): Promise<number> => {
  let cleared = 0;
  let step = await readStep(db, before, undefined);
  while (step.length > 0 && !signal.aborted) {
    const digests = step.flatMap(({ digest, unnamed }) => (unnamed && !kept.has(digest) ? [digest] : []));
    if (digests.length > 0) cleared += await deleteUnnamed({ db, shared }, digests);
    await setImmediate();
    step = await readStep(db, before, step.at(-1));
  }
  return cleared;
};
