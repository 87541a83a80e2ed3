import { type Secret, secretText } from '@fso/shared/runtime';
import { Kysely, PostgresDialect, type PostgresPool, type PostgresPoolClient } from 'kysely';
import pg from 'pg';
import type { Schema } from '../schema.ts';

/**
 * A connection is replaced after so long, so that a pool follows a database that moved behind its
 * name.
 */
const LIFETIME_SECONDS = 300;

/** Whether an error is what the server answered to a query. */
export const isAnswer = (error: unknown): boolean => error instanceof pg.DatabaseError;

/**
 * A connection of a pool, lent once. After a query that the server did not answer, as at its time
 * limit, nobody knows what comes next on the connection: all that follows fails with the same
 * error, and the pool ends the connection instead of lending it again.
 */
const lend = (client: pg.PoolClient): PostgresPoolClient => {
  let failure: Error | undefined;
  const query = async (text: string, values: readonly unknown[]): Promise<pg.QueryResult> => {
    if (failure !== undefined) throw failure;
    try {
      return await client.query(text, [...values]);
    } catch (error) {
      if (!isAnswer(error)) failure = error as Error;
      throw error;
    }
  };
  return {
    // Cursors are for dialects that are given some.
    query: query as unknown as PostgresPoolClient['query'],
    release: (destroy = false) => client.release(failure ?? destroy),
  };
};

/**
 * Opens a pool of connections to PostgreSQL.
 *
 * @param url read for each new connection: its password may change
 * @param connectMs for opening a connection; to wait for one that others use is no failure of the
 * database, and has no limit
 */
export const openPool = (url: Secret, config: pg.PoolConfig, connectMs: number): Kysely<Schema> => {
  class Client extends pg.Client {
    constructor(clientConfig?: pg.ClientConfig) {
      super({ ...clientConfig, connectionString: secretText(url), connectionTimeoutMillis: connectMs });
    }
  }
  const pool = new pg.Pool({ ...config, connectionTimeoutMillis: 0, maxLifetimeSeconds: LIFETIME_SECONDS, Client });
  // A connection that breaks is no failure by itself: the query on it fails, and the next one opens
  // another. Both events: the pool listens to idle connections only, and an error without a
  // listener ends the process.
  pool.on('error', () => undefined);
  pool.on('connect', (client) => {
    client.on('error', () => undefined);
  });
  const lending: PostgresPool = { connect: async () => lend(await pool.connect()), end: () => pool.end(), options: pool.options };
  return new Kysely<Schema>({ dialect: new PostgresDialect({ pool: lending }) });
};
