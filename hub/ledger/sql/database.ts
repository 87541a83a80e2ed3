import { Socket } from 'node:net';
import { type Secret, secretText, settlesWithin } from '@fso/shared/runtime';
import type { CompiledQuery, Kysely, Transaction } from 'kysely';
import pg from 'pg';
import { openPool } from './postgres/pool.ts';
import type { Database, DatabaseReader, RowsOf, Schema } from './schema.ts';
import { openEmbedded, openEmbeddedReader } from './sqlite/open-embedded.ts';

export type { Database, DatabaseReader } from './schema.ts';

/** Time limits of a server's answers, in milliseconds. */
export interface DatabaseTimeouts {
  /**
   * Limit for a connection to open, and for an answer to arrive once the time of its statement is
   * over.
   */
  readonly connectMs: number;
  /**
   * Limit of one statement. A statement of the ledger takes milliseconds; one that takes this long
   * is on a database that is not well.
   */
  readonly statementMs: number;
}

/** PostgreSQL by its URL, or SQLite by its folder. */
export type DatabaseConfig = { readonly url: Secret; readonly timeouts?: DatabaseTimeouts } | { readonly folder: string };

const TIMEOUTS: DatabaseTimeouts = { connectMs: 5_000, statementMs: 30_000 };
const INT8_OID = 20;
/** The batch under way, and beside it what the leader tidies up; nothing that the API asks for. */
const WRITE_CONNECTIONS = 3;
const READ_CONNECTIONS = 4;
const SEARCH_CONNECTIONS = 2;
/** Time to wait for a lock in milliseconds, as another hub may be running its migration. */
const LOCK_MS = 10_000;
/** A search goes through its rows a few at a time. */
const SEARCH_STATEMENT_MS = 3_000;
/** Time that closing gives to queries under way, in milliseconds. */
const CLOSE_MS = 1_000;
/** Hubs give signs of life by statements that wait for no lock. */
const SIGN_OF_LIFE_MS = 3_000;

// No number here comes near 2⁵³; as text it would only be converted everywhere.
const parser = (oid: number, format?: 'text' | 'binary'): ReturnType<typeof pg.types.getTypeParser> =>
  oid === INT8_OID ? Number : pg.types.getTypeParser(oid, format as 'text');

const clientConfig = ({ connectMs, statementMs }: DatabaseTimeouts): pg.ClientConfig => ({
  application_name: 'fso-hub',
  connectionTimeoutMillis: connectMs,
  statement_timeout: statementMs,
  query_timeout: statementMs + connectMs,
  idle_in_transaction_session_timeout: TIMEOUTS.statementMs,
  keepAlive: true,
  types: { getTypeParser: parser as typeof pg.types.getTypeParser },
});

/** Host, port and name of a connection URL. */
const nameOf = (url: Secret): string => {
  const parsed = URL.parse(secretText(url));
  return parsed === null ? 'PostgreSQL' : `postgresql://${parsed.host}${parsed.pathname}`;
};

/** Sockets of connections, which can be closed whatever their state. */
class Sockets {
  readonly #open = new Set<Socket>();
  #isCut: boolean = false;

  readonly create = (): Socket => {
    const socket = new Socket();
    this.#open.add(socket);
    socket.once('close', () => this.#open.delete(socket));
    // Once pg listens to it.
    if (this.#isCut) setImmediate(() => this.#destroy(socket));
    return socket;
  };

  readonly cut = (): void => {
    this.#isCut = true;
    for (const socket of this.#open) this.#destroy(socket);
  };

  #destroy(socket: Socket): void {
    socket.destroy(new Error('the database is closed'));
  }
}

/** Runs work on a connection of its own, without a limit on the time of a statement. */
const withConnection = async <T>(url: Secret, options: string, work: (db: Kysely<Schema>) => Promise<T>): Promise<T> => {
  const { query_timeout: _, ...config } = clientConfig({ ...TIMEOUTS, statementMs: 0 });
  const db = openPool(url, { ...config, max: 1, options }, TIMEOUTS.connectMs);
  try {
    return await work(db);
  } finally {
    await db.destroy();
  }
};

const openPostgresReader = (url: Secret): DatabaseReader => ({
  shared: true,
  name: nameOf(url),
  snapshot: (work) =>
    withConnection(url, '-c default_transaction_read_only=on', (db) => db.transaction().setIsolationLevel('repeatable read').execute(work)),
  close: async () => undefined,
});

/** A connection takes one query at a time. */
const runInTurn: Database['runAll'] = async <const Q extends readonly CompiledQuery[]>(trx: Transaction<Schema>, queries: Q) => {
  const rows: unknown[][] = [];
  for (const query of queries) rows.push((await trx.executeQuery(query)).rows);
  return rows as unknown as RowsOf<Q>;
};

/**
 * Opens PostgreSQL. TLS and all other settings are parameters of the URL
 * (https://node-postgres.com/features/connecting#connection-uri).
 */
const openPostgres = (url: Secret, timeouts: DatabaseTimeouts): Database => {
  const sockets = new Sockets();
  const configOf = (statementMs: number): pg.ClientConfig => ({
    ...clientConfig({ ...timeouts, statementMs }),
    stream: sockets.create,
  });
  const pool = (max: number, statementMs = timeouts.statementMs): Kysely<Schema> =>
    openPool(url, { ...configOf(statementMs), max }, timeouts.connectMs);
  const db = pool(WRITE_CONNECTIONS);
  const reads = pool(READ_CONNECTIONS);
  const searches = pool(SEARCH_CONNECTIONS, SEARCH_STATEMENT_MS);
  return {
    ...openPostgresReader(url),
    db,
    reads,
    searches,
    runAll: runInTurn,
    runLast: async (trx, queries) => void (await runInTurn(trx, queries)),
    patiently: (work) => withConnection(url, `-c lock_timeout=${LOCK_MS}`, work),
    connect: async () => {
      const client = new pg.Client({ ...configOf(SIGN_OF_LIFE_MS), connectionString: secretText(url) });
      client.on('error', () => undefined);
      await client.connect();
      return client;
    },
    cut: sockets.cut,
    close: async () => {
      const closed = Promise.all([db, reads, searches].map((each) => each.destroy()));
      if (!(await settlesWithin(closed, CLOSE_MS))) sockets.cut();
      await closed;
    },
  };
};

/**
 * Opens the database of the ledger.
 *
 * @throws LedgerError when another hub has the folder, or its database cannot be used
 */
export const openDatabase = async (config: DatabaseConfig): Promise<Database> =>
  'url' in config ? openPostgres(config.url, config.timeouts ?? TIMEOUTS) : openEmbedded(config.folder);

/**
 * Opens a ledger for reading only, beside running hubs or without any.
 *
 * @throws LedgerError when there is no embedded ledger
 */
export const openReader = async (config: DatabaseConfig): Promise<DatabaseReader> =>
  'url' in config ? openPostgresReader(config.url) : openEmbeddedReader(config.folder);
