import { Socket } from 'node:net';
import { type Secret, secretText, settlesWithin } from '@fso/shared/runtime';
import type { CompiledQuery, Kysely, Transaction } from 'kysely';
import pg from 'pg';
import { openPool } from './postgres/pool.ts';
import type { Database, DatabaseReader, RowsOf, Schema } from './schema.ts';
import { openEmbedded, openEmbeddedReader } from './sqlite/open-embedded.ts';

export type { Database, DatabaseReader } from './schema.ts';

/** Time limits for answers of a database server, in milliseconds. */
export interface DatabaseTimeouts {
  /**
   * Limit for opening a connection. An answer may arrive this much later than the statement limit.
   */
  readonly connectMs: number;
  /**
   * Limit of one statement. Statements of the ledger take milliseconds, so a longer one means that
   * the database has a problem.
   */
  readonly statementMs: number;
}

/** PostgreSQL by URL, or SQLite by folder. */
export type DatabaseConfig = { readonly url: Secret; readonly timeouts?: DatabaseTimeouts } | { readonly folder: string };

const TIMEOUTS: DatabaseTimeouts = { connectMs: 5_000, statementMs: 30_000 };
const INT8_OID = 20;
/**
 * Connections for the running batch and for cleanup by the leader. API requests do not use them.
 */
const WRITE_CONNECTIONS = 3;
const READ_CONNECTIONS = 4;
const SEARCH_CONNECTIONS = 2;
/** Maximum wait for a lock, in milliseconds. Another hub may be running its migration. */
const LOCK_MS = 10_000;
/**
 * Time limit of one statement of a search, in milliseconds. A search reads rows in small windows.
 */
const SEARCH_STATEMENT_MS = 3_000;
/** Time for running queries to end on close, in milliseconds. */
const CLOSE_MS = 1_000;
/** Time limit of a sign of life, in milliseconds. Its statements wait for no lock. */
const SIGN_OF_LIFE_MS = 3_000;

// All numbers are far below 2⁵³, so int8 is parsed as a number.
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

/** Returns host, port and name of a connection URL. */
const nameOf = (url: Secret): string => {
  const parsed = URL.parse(secretText(url));
  return parsed === null ? 'PostgreSQL' : `postgresql://${parsed.host}${parsed.pathname}`;
};

/** Open sockets, which can be destroyed in any state. */
class Sockets {
  readonly #open = new Set<Socket>();
  #isCut: boolean = false;

  readonly create = (): Socket => {
    const socket = new Socket();
    this.#open.add(socket);
    socket.once('close', () => this.#open.delete(socket));
    // Deferred until pg listens to the socket.
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

/** Runs work on a dedicated connection without statement timeout. */
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

/** Runs queries one after the other, as a connection takes one at a time. */
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
 * @throws LedgerError if another hub uses the folder, or its database cannot be used
 */
export const openDatabase = async (config: DatabaseConfig): Promise<Database> =>
  'url' in config ? openPostgres(config.url, config.timeouts ?? TIMEOUTS) : openEmbedded(config.folder);

/**
 * Opens a ledger for reading only, with or without running hubs.
 *
 * @throws LedgerError if there is no embedded ledger
 */
export const openReader = async (config: DatabaseConfig): Promise<DatabaseReader> =>
  'url' in config ? openPostgresReader(config.url) : openEmbeddedReader(config.folder);
