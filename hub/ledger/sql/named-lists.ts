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
 * Policy lists that other rows refer to, and that can therefore always be read. A list is referred
 * to by a list that builds on it, and by the history of a cluster. The transaction that creates the
 * first reference stores a deleted list again. Deleting lists and creating references both hold the
 * write lock, so neither can miss the other.
 */

/** Yields the digests of the lists to which a batch may add the first reference. */
function* digestsNamedBy({ lists, clusters }: Batch): Generator<string> {
  for (const { base } of lists) if (base !== null) yield base;
  for (const { history } of clusters.values()) for (const { baseline } of history) if (baseline) yield baseline.list;
}

/**
 * Creates the rows of lists that a batch refers to and that were deleted while this hub had them in
 * memory.
 *
 * @param stored current time, RFC 3339
 */
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

/** Number of lists per step. Each is looked up in two indexes. */
const STEP = 100;

const isUnnamed = sql<boolean>`not exists (select 1 from cluster_history where cluster_history.list = policy_lists.digest)`;
const isNoBase = sql<boolean>`not exists (select 1 from policy_lists as above where above.base = policy_lists.digest)`;

/**
 * Deletes unreferenced lists among the given ones. A list is deleted before the one that it builds
 * on.
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

/**
 * Selects the next lists that were stored before a time, newest first.
 *
 * @param last last list of the previous step, which is not returned again
 */
const readStep = (db: Kysely<Schema>, before: string, last: Place | undefined) => {
  let query = db
    .selectFrom('policy_lists')
    .select(['digest', 'version', isUnnamed.as('unnamed')])
    .where('stored', '<', before);
  if (last !== undefined) query = query.where(sql<boolean>`(version, digest) < (${last.version}, ${last.digest})`);
  return query.orderBy('version', 'desc').orderBy('digest', 'desc').limit(STEP).execute();
};

interface Clearing {
  /**
   * Time before which lists were stored, RFC 3339. Newer ones are kept, because agents may be about
   * to name them.
   */
  readonly before: string;
  /** Digests of lists to keep in any case. */
  readonly kept: ReadonlySet<string>;
  readonly signal: AbortSignal;
}

/** Deletes unreferenced lists in small steps. @returns number of deleted lists */
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
