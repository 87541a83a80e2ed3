import { type Secret, secretText } from '@fso/shared/runtime';
import { Kysely, PostgresDialect, type PostgresPool, type PostgresPoolClient } from 'kysely';
import pg from 'pg';
import type { Schema } from '../schema.ts';

/**
 * Maximum age of a connection, so that a pool follows a database that moved behind its DNS name.
 */
const LIFETIME_SECONDS = 300;

/** Whether an error is the server's answer to a query. */
export const isAnswer = (error: unknown): boolean => error instanceof pg.DatabaseError;

/**
 * Wraps a connection for one use. If the server did not answer a query, as after a timeout, the
 * state of the connection is unknown. All later queries then fail with the same error, and the pool
 * closes the connection instead of reusing it.
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
    // Cursors are only needed by dialects that use them.
    query: query as unknown as PostgresPoolClient['query'],
    release: (destroy = false) => client.release(failure ?? destroy),
  };
};

/**
 * Opens a connection pool to PostgreSQL.
 *
 * @param url read for each new connection, as its password may change
 * @param connectMs limit for opening a connection. Waiting for a free one has no limit, because it
 * is no failure of the database
 */
export const openPool = (url: Secret, config: pg.PoolConfig, connectMs: number): Kysely<Schema> => {
  class Client extends pg.Client {
    constructor(clientConfig?: pg.ClientConfig) {
      super({ ...clientConfig, connectionString: secretText(url), connectionTimeoutMillis: connectMs });
    }
  }
  const pool = new pg.Pool({ ...config, connectionTimeoutMillis: 0, maxLifetimeSeconds: LIFETIME_SECONDS, Client });
  // A broken connection is not a failure by itself: its query fails, and the next query opens
  // another connection. Both events are needed: the pool listens to idle connections only, and an
  // error event without a listener ends the process.
  pool.on('error', () => undefined);
  pool.on('connect', (client) => {
    client.on('error', () => undefined);
  });
  const lending: PostgresPool = { connect: async () => lend(await pool.connect()), end: () => pool.end(), options: pool.options };
  return new Kysely<Schema>({ dialect: new PostgresDialect({ pool: lending }) });
};
