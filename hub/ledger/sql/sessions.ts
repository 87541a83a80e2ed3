import type pg from 'pg';
import { LedgerError } from '../types.ts';

type Session = Pick<pg.Client, 'query' | 'end'>;

const readPid = async (session: Session): Promise<number | undefined> =>
  (await session.query<{ pid: number }>('select pg_backend_pid() as pid')).rows[0]?.pid;

const withSession = async <T>(connect: () => Promise<Session>, work: (session: Session) => Promise<T>): Promise<T> => {
  const session = await connect();
  try {
    return await work(session);
  } finally {
    await session.end().catch(() => undefined);
  }
};

/**
 * Two sessions never have one process of the server, and none changes it. A pooler that shares
 * processes gives the first one's to the second.
 */
const hasOwnProcess = (connect: () => Promise<Session>): Promise<boolean> =>
  withSession(connect, (session) =>
    withSession(connect, async (other) => {
      const pid = await readPid(session);
      // Until the transaction ends it keeps its process.
      await other.query('begin');
      return (await readPid(other)) !== pid && (await readPid(session)) === pid;
    }),
  );

/**
 * A hub hears of others by LISTEN, and sets what holds for a session: neither works where a pooler
 * gives each transaction another process of the server, and nothing else would say so
 * (https://www.pgbouncer.org/features.html).
 *
 * @throws LedgerError where there is such a pooler; what the database answered otherwise
 */
export const checkSessions = async (connect: () => Promise<Session>): Promise<void> => {
  if (await hasOwnProcess(connect)) return;
  throw new LedgerError(
    'DATABASE_URL leads to a pooler that shares sessions of the database among its clients, such as PgBouncer with pool_mode=transaction; a hub needs sessions of its own: name the database itself, or use pool_mode=session',
  );
};
