// @ts-check
/**
 * The thread that owns the embedded database: a commit waits for the disk here, not on the event
 * loop of the hub. It is plain JavaScript and imports only what Node.js has, because a second
 * loader of TypeScript costs 10 MB.
 *
 * @typedef {import('./messages.ts').Request} Request
 * @typedef {import('./messages.ts').Response} Response
 * @typedef {import('./messages.ts').Result} Result
 * @typedef {import('./messages.ts').Statement} Statement
 * @typedef {import('./messages.ts').Value} Value
 */
// biome-ignore lint/correctness/noUnresolvedImports: part of Node.js.
import { DatabaseSync } from 'node:sqlite';
import { parentPort } from 'node:worker_threads';

const MAX_STATEMENTS = 100;
/**
 * Maximum length of cached SQL. Statements of many rows vary in length, so caching them does not
 * pay.
 */
const MAX_SQL_LENGTH = 4_096;
/** @type {Result} */
const NOTHING = { rows: [], changes: 0 };

/**
 * @typedef {{ db: DatabaseSync, statements: Map<string, import('node:sqlite').StatementSync> }}
 * Connection
 */
/** @type {Map<number, Connection>} */
const connections = new Map();

/** @param {Connection} connection @param {string} sql */
const prepare = ({ db, statements }, sql) => {
  const statement = statements.get(sql) ?? db.prepare(sql);
  if (sql.length > MAX_SQL_LENGTH) return statement;
  statements.delete(sql);
  statements.set(sql, statement);
  const oldest = statements.keys().next().value;
  if (statements.size > MAX_STATEMENTS && oldest !== undefined) statements.delete(oldest);
  return statement;
};

/**
 * @param {import('node:sqlite').StatementSync} statement @param {Iterable<readonly Value[]>} runs
 * the parameters of each @returns {Result}
 */
const runEach = (statement, runs) => {
  const isQuery = statement.columns().length > 0;
  const rows = [];
  let changes = 0;
  for (const parameters of runs) {
    if (isQuery) for (const row of statement.all(...parameters)) rows.push(row);
    else changes += Number(statement.run(...parameters).changes);
  }
  return { rows, changes };
};

/** @param {Connection} connection @param {Statement} statement @returns {Result} */
const run = (connection, { sql, parameters, repeats }) => {
  // A failed commit may already have ended the transaction.
  if (sql === 'rollback' && !connection.db.isTransaction) return NOTHING;
  const statement = prepare(connection, sql);
  return runEach(statement, repeats ? JSON.parse(String(parameters[0])) : [parameters]);
};

/** @param {number} number */
const connectionOf = (number) => {
  const connection = connections.get(number);
  if (connection === undefined) throw new Error('the connection is closed');
  return connection;
};

/** @param {Request} request @returns {readonly Result[]} */
const answer = (request) => {
  if ('open' in request) {
    const { path, readOnly, lockMs, pragmas } = request.open;
    const db = new DatabaseSync(path, { readOnly, timeout: lockMs });
    connections.set(request.connection, { db, statements: new Map() });
    for (const pragma of pragmas) db.exec(pragma);
    return [];
  }
  const connection = connectionOf(request.connection);
  if ('statements' in request) return request.statements.map((statement) => run(connection, statement));
  connections.delete(request.connection);
  connection.db.close();
  return [];
};

/** @param {unknown} error */
const describe = (error) => ({
  message: error instanceof Error ? error.message : String(error),
  code: Number(Reflect.get(Object(error), 'errcode') ?? 0),
});

parentPort?.on('message', (/** @type {Request} */ request) => {
  const { id } = request;
  /** @type {Response} */
  let response;
  try {
    response = { id, results: answer(request) };
  } catch (error) {
    response = { id, error: describe(error) };
  }
  parentPort?.postMessage(response);
});
