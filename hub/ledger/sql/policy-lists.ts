import type { ListedPolicy } from '@fso/shared/status';
import type { CompiledQuery, Kysely, Transaction } from 'kysely';
import { differenceOf, type NewList, PolicyList, type PolicyLists } from '../policies/index.ts';
import { slices } from './batch/statements.ts';
import type { Schema, StoredList } from './schema.ts';

/** Maximum number of lists on which a list builds. Each is a row to read. */
const MAX_DEPTH = 32;
/** Maximum share of policies that differ from the base. With more, the whole list is stored. */
const MAX_DIFFERENT = 0.25;

type StoredRow = Schema['policy_lists'];
/** Stored form of a list, without its version. */
export type ListRow = Omit<StoredRow, 'version'>;

/** Returns the difference of a list from its base; undefined: too large, store the whole list. */
const storedOn = (base: PolicyList, list: PolicyList): StoredList | undefined => {
  const { names } = differenceOf(base, list);
  if (names.length > list.policies.length * MAX_DIFFERENT) return undefined;
  const policies = names.flatMap((name) => list.get(name) ?? []);
  const removed = names.filter((name) => !list.has(name));
  return { policies, ...(removed.length > 0 && { removed }) };
};

/**
 * Creates the row of a list. It holds only the difference if the base is stored and the difference
 * is small.
 *
 * @param stored current time, RFC 3339
 */
export const makeListRow = ({ list, base }: NewList, stored: string): ListRow => {
  const below = base === undefined ? undefined : base.storedDepth;
  const isBase = base !== undefined && below !== undefined && below < MAX_DEPTH;
  const difference = isBase ? storedOn(base, list) : undefined;
  const place = isBase && difference !== undefined ? { base: base.digest, depth: below + 1 } : { base: null, depth: 0 };
  list.storedDepth = place.depth;
  return { digest: list.digest, ...place, stored, list_json: JSON.stringify(difference ?? { policies: list.policies }) };
};

/** Marks a list that could not be written, so that no other list builds on it. */
export const forgetListRow = (list: PolicyList): void => {
  list.storedDepth = undefined;
};

/** Yields the statements that write lists. The database may already have them from another hub. */
export function* listQueries(lists: readonly ListRow[], trx: Transaction<Schema>, version: number): Generator<CompiledQuery> {
  const rows = lists.map((row) => ({ ...row, version }));
  for (const values of slices(rows, ({ list_json }) => list_json.length))
    yield trx
      .insertInto('policy_lists')
      .values(values)
      .onConflict((conflict) => conflict.column('digest').doNothing())
      .compile();
}

const byName = (a: ListedPolicy, b: ListedPolicy): number => (a.name < b.name ? -1 : 1);

/** Columns that are read of a list. */
type ReadRow = Omit<ListRow, 'stored'>;

const listFrom = ({ digest, depth, list_json }: ReadRow, base: PolicyList | undefined, lists: PolicyLists): PolicyList => {
  const { policies, removed = [] } = JSON.parse(list_json) as StoredList;
  const changed = new Map(policies.map((policy) => [policy.name, lists.intern(policy)]));
  const gone = new Set(removed);
  const kept = (base?.policies ?? []).filter(({ name }) => !changed.has(name) && !gone.has(name));
  // Compiled policies are sorted by name.
  const list = lists.add(new PolicyList(digest, [...kept, ...changed.values()].sort(byName)));
  list.storedDepth = depth;
  return list;
};

/** Whether a list can be a base: lists that an agent named are not stored. */
const isStored = (list: PolicyList | undefined): list is PolicyList => list !== undefined && !list.isNamed;

/** Lists that were read. */
interface ReadLists {
  /** Rows of the lists and of their bases, by digest. */
  readonly rows: ReadonlyMap<string, ReadRow>;
  /** Bases that are in memory. Nothing else may hold a reference to them meanwhile. */
  readonly bases: ReadonlyMap<string, PolicyList>;
}

const readRows = async (db: Kysely<Schema>, digests: readonly string[], lists: PolicyLists): Promise<ReadLists> => {
  const rows = new Map<string, ReadRow>();
  const bases = new Map<string, PolicyList>();
  let wanted: ReadonlySet<string> = new Set(digests);
  while (wanted.size > 0) {
    const found = await db
      .selectFrom('policy_lists')
      .select(['digest', 'base', 'depth', 'list_json'])
      .where('digest', 'in', [...wanted])
      .execute();
    for (const row of found) rows.set(row.digest, row);
    const below = new Set(found.flatMap(({ base }) => base ?? []));
    for (const digest of below) {
      const known = lists.get(digest);
      if (isStored(known)) bases.set(digest, known);
    }
    wanted = new Set([...below].filter((digest) => !rows.has(digest) && !bases.has(digest)));
  }
  return { rows, bases };
};

/** Builds a list and its bases; undefined: one of them is not stored. */
const build = (digest: string, found: ReadLists, lists: PolicyLists): PolicyList | undefined => {
  const known = found.bases.get(digest) ?? lists.get(digest);
  if (isStored(known)) return known;
  const row = found.rows.get(digest);
  if (row === undefined) return undefined;
  if (row.base === null) return listFrom(row, undefined, lists);
  const base = build(row.base, found, lists);
  return base && listFrom(row, base, lists);
};

/** Number of lists read at a time. A large one has 300 KB. */
const AT_ONCE = 20;

/** Returns stored lists by digest. Lists that are not in memory are read. */
export const readLists = async (
  db: Kysely<Schema>,
  digests: Iterable<string>,
  lists: PolicyLists,
): Promise<ReadonlyMap<string, PolicyList>> => {
  const wanted = [...new Set(digests)];
  const read = new Map(wanted.flatMap((digest) => lists.get(digest) ?? []).map((list) => [list.digest, list]));
  const unknown = wanted.filter((digest) => !isStored(read.get(digest)));
  for (let at = 0; at < unknown.length; at += AT_ONCE) {
    const some = unknown.slice(at, at + AT_ONCE);
    const found = await readRows(db, some, lists);
    for (const digest of some) {
      const list = build(digest, found, lists);
      if (list !== undefined) read.set(digest, list);
    }
  }
  return read;
};

/**
 * Returns a stored list; undefined: it is not stored.
 *
 * @param lists lists in memory, to which it is added
 */
export const readList = async (db: Kysely<Schema>, digest: string, lists: PolicyLists): Promise<PolicyList | undefined> =>
  (await readLists(db, [digest], lists)).get(digest);

/** Number of lists read at start. */
const NEWEST = 256;

/**
 * Reads the lists that were written last, and keeps them. A commit that is compiled again then gets
 * the same lists, with the commits since which their policies are unchanged.
 */
export const readNewestLists = async (db: Kysely<Schema>, lists: PolicyLists): Promise<void> => {
  const rows = await db.selectFrom('policy_lists').select('digest').orderBy('version', 'desc').limit(NEWEST).execute();
  const read = await readLists(
    db,
    rows.map(({ digest }) => digest),
    lists,
  );
  for (const { digest } of rows.toReversed()) {
    const list = read.get(digest);
    if (list !== undefined) lists.hold(list);
  }
};
