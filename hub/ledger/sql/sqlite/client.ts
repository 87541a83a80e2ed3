import { Worker } from 'node:worker_threads';
import { SqliteError } from './error.ts';
import type { OpenConnection, Operation, Response, Result, Statement } from './messages.ts';

/** Connection to a database file. Its statements run in their order. */
export interface SqliteConnection {
  /**
   * Runs statements as one message to the thread, up to the first that fails. @throws SqliteError
   * of that one
   */
  run(statements: readonly Statement[]): Promise<readonly Result[]>;
  close(): Promise<void>;
}

/**
 * SQLite on a thread of its own; a thread that fails ends the process, as a part of the hub that
 * fails does.
 */
export interface SqliteThread {
  /** @throws SqliteError */
  open(options: OpenConnection): Promise<SqliteConnection>;
  /** Closes what is still open and ends the thread. */
  close(): Promise<void>;
}

/** Starts the thread that SQLite runs on. */
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
