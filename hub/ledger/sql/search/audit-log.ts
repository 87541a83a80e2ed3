import type { AuditEntry } from '@fso/shared/api';
import { type Kysely, type Selectable, type SelectQueryBuilder, sql } from 'kysely';
import { matchesAudit, readAudit } from '../../audit/read.ts';
import { verifyAudit } from '../../audit/verify.ts';
import type { AuditFilter, AuditLog, AuditQuery, AuditSearch, FoundAudit } from '../../audit-log.ts';
import type { ChangeInput } from '../../writes.ts';
import type { Schema } from '../schema.ts';
import { entryOf, readHead } from './audit-rows.ts';
import { containsText, type Part, searchWindows, WINDOW } from './windows.ts';

/**
 * Minimum number of rows to read, because not every row that the database returns matches the
 * filter.
 */
const MIN_PAGE = 50;
const MAX_CHECKPOINTS = 10_000;

type Rows = SelectQueryBuilder<Schema, 'audit', Selectable<Schema['audit']>>;

/**
 * Time of an entry. Its canonical JSON ends with it, and the index `audit_time` is on the same
 * expression.
 */
const time = sql<string>`substr(entry_json, length(entry_json) - 25, 24)`;
const holds = (text: string) => containsText(sql.ref('entry_json'), text);

/** Narrows a query by what the database can test on the text alone. */
const narrow = (query: Rows, { action, since, until, ...named }: AuditFilter): Rows => {
  let narrowed = query;
  if (action !== undefined) narrowed = narrowed.where(holds(`"action":${JSON.stringify(action)}`));
  if (since !== undefined) narrowed = narrowed.where(time, '>=', since);
  if (until !== undefined) narrowed = narrowed.where(time, '<=', until);
  for (const name of Object.values(named)) if (name !== undefined) narrowed = narrowed.where(holds(JSON.stringify(name)));
  return narrowed;
};

const isFiltered = (filter: AuditFilter): boolean => Object.values(filter).some((value) => value !== undefined);

/**
 * Maximum clock difference between hubs, in milliseconds. Apart from that, entries are in the order
 * of their times.
 */
const SKEW_MS = 3_600_000;
const shifted = (moment: string, byMs: number): string => new Date(Date.parse(moment) + byMs).toISOString();

const END = { sequence: Number.MAX_SAFE_INTEGER };

/**
 * Finds the range of sequence numbers for a range of times, by the index on it; null: no entries.
 */
const boundsOf = async (db: Kysely<Schema>, { since, until }: AuditFilter): Promise<{ first: number; last: number } | null> => {
  const entries = db.selectFrom('audit').select('sequence').limit(1);
  const first = since && entries.where(time, '>=', shifted(since, -SKEW_MS)).orderBy(time, 'asc');
  const last = until && entries.where(time, '<=', shifted(until, SKEW_MS)).orderBy(time, 'desc');
  const [from, to] = [first ? await first.executeTakeFirst() : { sequence: 0 }, last ? await last.executeTakeFirst() : END];
  return from === undefined || to === undefined ? null : { first: from.sequence, last: to.sequence };
};

/** Finds the sequence number of the last of the next {@link WINDOW} entries; undefined: none. */
const edgeOf = async (db: Kysely<Schema>, rest: Rows, order: 'asc' | 'desc'): Promise<number | undefined> => {
  const some = rest.clearSelect().select('sequence').orderBy('sequence', order).limit(WINDOW).as('some');
  const { edge } = await db
    .selectFrom(some)
    .select((eb) => (order === 'asc' ? eb.fn.max<number | null>('sequence') : eb.fn.min<number | null>('sequence')).as('edge'))
    .executeTakeFirstOrThrow();
  return edge === null ? undefined : Number(edge);
};

/** Reads entries without a filter, by sequence number. */
const readOn = async (db: Kysely<Schema>, { order, from, limit }: AuditSearch): Promise<FoundAudit> => {
  const all = db.selectFrom('audit').selectAll().orderBy('sequence', order).limit(limit);
  const rows = await (from === undefined ? all : all.where('sequence', order === 'asc' ? '>' : '<', from)).execute();
  return { entries: rows.map(entryOf), next: rows.length < limit ? null : (rows.at(-1)?.sequence ?? null) };
};

/** Searches a limited number of entries. */
const searchEntries = async (db: Kysely<Schema>, { filter, order, from, limit, signal }: AuditSearch): Promise<FoundAudit> => {
  const [beyond, within] = order === 'asc' ? (['>', '<='] as const) : (['<', '>='] as const);
  const bounds = await boundsOf(db, filter);
  if (bounds === null) return { entries: [], next: null };
  const all = db.selectFrom('audit').selectAll().where('sequence', '>=', bounds.first).where('sequence', '<=', bounds.last);
  const step = async (last: number | undefined, wanted: number): Promise<Part<AuditEntry> | undefined> => {
    const rest = last === undefined ? all : all.where('sequence', beyond, last);
    const edge = await edgeOf(db, rest, order);
    if (edge === undefined) return undefined;
    const size = Math.max(wanted, MIN_PAGE);
    const rows = await narrow(rest.where('sequence', within, edge), filter)
      .orderBy('sequence', order)
      .limit(size)
      .execute();
    const items = rows
      .map(entryOf)
      .filter((entry) => matchesAudit(entry, filter))
      .slice(0, wanted);
    const end = rows.length < size ? edge : (rows.at(-1)?.sequence ?? edge);
    return { items, last: items.length < wanted ? end : (items.at(-1)?.sequence ?? end) };
  };
  const { items, next } = await searchWindows({ from, limit, signal, step });
  return { entries: items, next };
};

/**
 * Runs a search when it is its turn. A database that handles one statement at a time runs one
 * search at a time.
 */
export type InTurn = <T>(work: () => Promise<T>) => Promise<T>;

/** Connections and turns of searches, so that they do not slow down writes and short reads. */
interface SearchQueue {
  readonly db: Kysely<Schema>;
  readonly inTurn: InTurn;
}

/** Opens the audit log on a database. @param submit queues a write */
export const createSqlAudit = (
  db: Kysely<Schema>,
  submit: (change: ChangeInput) => Promise<void>,
  searching: SearchQueue = { db, inTurn: (work) => work() },
): AuditLog => {
  const search = (asked: AuditSearch): Promise<FoundAudit> =>
    isFiltered(asked.filter) ? searching.inTurn(() => searchEntries(searching.db, asked)) : readOn(db, asked);
  /** Reads the wanted number of entries, however many have to be examined. */
  const read = async (wanted: AuditSearch): Promise<AuditEntry[]> => {
    const found: AuditEntry[] = [];
    for (let from = wanted.from; ; ) {
      const { entries, next } = await search({ ...wanted, from, limit: wanted.limit - found.length });
      found.push(...entries);
      if (next === null || found.length >= wanted.limit) return found;
      from = next;
    }
  };
  const log = {
    append: (entry: Parameters<AuditLog['append']>[0]) => submit({ type: 'audit', entry }),
    search,
    list: ({ before, limit, ...filter }: AuditQuery) => read({ filter, order: 'desc', from: before, limit }),
    after: (sequence: number, limit: number, filter: AuditFilter = {}) => read({ filter, order: 'asc', from: sequence, limit }),
    head: async () => {
      const { sequence, hash } = await readHead(db);
      return { sequence, hash };
    },
    proofs: async () => {
      const checkpoints = await db.selectFrom('checkpoints').selectAll().orderBy('sequence', 'desc').limit(MAX_CHECKPOINTS).execute();
      const witnesses = await db.selectFrom('witnesses').selectAll().orderBy('cluster').execute();
      return {
        checkpoints: checkpoints.reverse(),
        witnesses: witnesses.map(({ cluster, seen, ...checkpoint }) => ({ cluster, seen, checkpoint })),
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
