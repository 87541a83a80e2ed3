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
 * Whether each session has its own server process and keeps it. A pooler that shares processes
 * gives the process of the first session to the second.
 */
const hasOwnProcess = (connect: () => Promise<Session>): Promise<boolean> =>
  withSession(connect, (session) =>
    withSession(connect, async (other) => {
      const pid = await readPid(session);
      // The open transaction keeps the session on its process.
      await other.query('begin');
      return (await readPid(other)) !== pid && (await readPid(session)) === pid;
    }),
  );

/**
 * Checks that there is no pooler that gives each transaction another server process. LISTEN and
 * session settings would not work there, and nothing else would report it
 * (https://www.pgbouncer.org/features.html).
 *
 * @throws LedgerError if there is such a pooler; else the error of the database
 */
export const checkSessions = async (connect: () => Promise<Session>): Promise<void> => {
  if (await hasOwnProcess(connect)) return;
  throw new LedgerError(
    'DATABASE_URL leads to a pooler that shares sessions of the database among its clients, such as PgBouncer with pool_mode=transaction; a hub needs sessions of its own: name the database itself, or use pool_mode=session',
  );
};
