import { Worker } from 'node:worker_threads';
import { SqliteError } from './error.ts';
import type { OpenConnection, Operation, Response, Result, Statement } from './messages.ts';

/** Connection to a database file. Statements run in order. */
export interface SqliteConnection {
  /**
   * Runs statements, sent to the thread as one message, up to the first that fails.
   *
   * @throws SqliteError of the failed statement
   */
  run(statements: readonly Statement[]): Promise<readonly Result[]>;
  close(): Promise<void>;
}

/**
 * SQLite on its own thread. If the thread fails, the process ends, as with any failed part of the
 * hub.
 */
export interface SqliteThread {
  /** Opens a connection. @throws SqliteError */
  open(options: OpenConnection): Promise<SqliteConnection>;
  /** Closes open connections and ends the thread. */
  close(): Promise<void>;
}

/** Starts the SQLite thread. */
export const startSqlite = (): SqliteThread => {
  const worker = new Worker(new URL('./thread.js', import.meta.url), { execArgv: [] });
  const waiting = new Map<number, PromiseWithResolvers<readonly Result[]>>();
  const connections = new Set<number>();
  let requests = 0;
  worker.on('message', (response: Response) => {
    const request = waiting.get(response.id);
    waiting.delete(response.id);
    if ('results' in response) request?.resolve(response.results);
    else request?.reject(new SqliteError(response.error.message, response.error.code));
  });

  const ask = (connection: number, operation: Operation): Promise<readonly Result[]> => {
    requests += 1;
    const answer = Promise.withResolvers<readonly Result[]>();
    waiting.set(requests, answer);
    worker.postMessage({ id: requests, connection, ...operation });
    return answer.promise;
  };
  const close = async (connection: number): Promise<void> => {
    if (connections.delete(connection)) await ask(connection, { close: true });
  };
  return {
    open: async (options) => {
      const connection = requests + 1;
      connections.add(connection);
      await ask(connection, { open: options });
      return { run: (statements) => ask(connection, { statements }), close: () => close(connection) };
    },
    close: async () => {
      await Promise.all([...connections].map((connection) => close(connection).catch(() => undefined)));
      await worker.terminate();
    },
  };
};
