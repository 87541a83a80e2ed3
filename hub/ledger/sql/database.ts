import { Kysely, PostgresDialect } from 'kysely';
import pg from 'pg';
import type { Schema } from './schema.ts';
import { openEmbedded } from './sqlite/open-embedded.ts';

export interface Database {
  /** For writes, and what is read within them. */
  readonly db: Kysely<Schema>;
  /** For reads: they wait for each other, and never does a write wait for them. */
  readonly reads: Kysely<Schema>;
  /** For what looks at many rows: it never holds what writes need. */
  readonly searches: Kysely<Schema>;
  /** PostgreSQL, where other hubs may write too; else SQLite, which belongs to this one. */
  readonly shared: boolean;
  /** Where it is, without credentials. */
  readonly name: string;
  /** A connection of its own, for LISTEN and session locks; only where `shared`. */
  readonly connect: () => Promise<pg.Client>;
  close(): Promise<void>;
}

export type DatabaseConfig = { readonly url: string } | { readonly folder: string };

const INT8_OID = 20;
const CONNECT_MS = 5_000;
/** A statement of the ledger takes milliseconds; one that takes this long is on a database that is not well. */
const STATEMENT_MS = 30_000;
/** The batch under way, and beside it what the leader tidies up; nothing that the API asks for. */
const WRITE_CONNECTIONS = 3;
const READ_CONNECTIONS = 4;
const SEARCH_CONNECTIONS = 2;
/** A search goes through its rows a few at a time. */
const SEARCH_STATEMENT_MS = 3_000;

// No number here comes near 2⁵³; as text it would only be converted everywhere.
const parser = (oid: number, format?: 'text' | 'binary'): ReturnType<typeof pg.types.getTypeParser> =>
  oid === INT8_OID ? Number : pg.types.getTypeParser(oid, format as 'text');

const clientConfig = (url: string, statementMs = STATEMENT_MS): pg.ClientConfig => ({
  connectionString: url,
  application_name: 'fso-hub',
  connectionTimeoutMillis: CONNECT_MS,
  statement_timeout: statementMs,
  query_timeout: statementMs + CONNECT_MS,
  idle_in_transaction_session_timeout: STATEMENT_MS,
  keepAlive: true,
  types: { getTypeParser: parser as typeof pg.types.getTypeParser },
});

/** Host, port and name of a connection URL. */
const nameOf = (url: string): string => {
  const parsed = URL.parse(url);
  return parsed === null ? 'PostgreSQL' : `postgresql://${parsed.host}${parsed.pathname}`;
};

/** To wait for a client that others use is no failure of the database; to wait for a connection is. */
class Client extends pg.Client {
  constructor(config?: pg.ClientConfig) {
    super({ ...config, connectionTimeoutMillis: CONNECT_MS });
  }
}

const openPool = (config: pg.PoolConfig): Kysely<Schema> => {
  const pool = new pg.Pool({ ...config, connectionTimeoutMillis: 0, Client });
  // A connection that breaks is no failure by itself: the query on it fails, and the next one opens another. Both events: the pool hears
  // of idle connections only, and one that nobody hears of ends the process.
  pool.on('error', () => undefined);
  pool.on('connect', (client) => {
    client.on('error', () => undefined);
  });
  return new Kysely<Schema>({ dialect: new PostgresDialect({ pool }) });
};

/** TLS and all else is said by the parameters of the URL (https://node-postgres.com/features/connecting#connection-uri). */
const openPostgres = (url: string): Database => {
  const db = openPool({ ...clientConfig(url), max: WRITE_CONNECTIONS });
  const reads = openPool({ ...clientConfig(url), max: READ_CONNECTIONS });
  const searches = openPool({ ...clientConfig(url, SEARCH_STATEMENT_MS), max: SEARCH_CONNECTIONS });
  return {
    db,
    reads,
    searches,
    shared: true,
    name: nameOf(url),
    connect: async () => {
      const client = new pg.Client(clientConfig(url));
      client.on('error', () => undefined);
      await client.connect();
      return client;
    },
    close: async () => {
      await Promise.all([db, reads, searches].map((pool) => pool.destroy()));
    },
  };
};

/** @throws LedgerError when another hub has the folder, or its database cannot be used */
export const openDatabase = async (config: DatabaseConfig): Promise<Database> =>
  'url' in config ? openPostgres(config.url) : openEmbedded(config.folder);
