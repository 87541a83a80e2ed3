/**
 * Hub that kills itself with SIGKILL at one of its commits to the database, counted from its start.
 * Arguments: the number of the commit; `before` the database has it, or `after` that and before the
 * hub knows; a file to which each commit appends a byte.
 */
import { appendFileSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
import pg from 'pg';

const [number = '0', side = 'before', file = '/dev/null'] = process.argv.slice(2);
let commits = 0;

const die = (): void => void process.kill(process.pid, 'SIGKILL');

/** Runs a commit. @param run resolves once the database has it */
const atCommit = <T>(run: () => T, whenDone: (result: T) => void): T => {
  commits += 1;
  appendFileSync(file, '.');
  const isLast = commits === Number(number);
  if (isLast && side === 'before') die();
  const result = run();
  if (isLast) whenDone(result);
  return result;
};

/** Message to the thread of the embedded database. */
interface Message {
  readonly id: number;
  readonly statements?: readonly { readonly sql: string }[];
}

Worker.prototype.postMessage = new Proxy(Worker.prototype.postMessage, {
  apply: (post, worker: Worker, args: [Message]) => {
    const { id, statements } = args[0];
    const run = () => Reflect.apply(post, worker, args);
    if (!statements?.some(({ sql }) => sql === 'commit')) return run();
    const dieAtAnswer = (answer: Message): void => {
      if (answer.id === id) die();
    };
    return atCommit(run, () => worker.prependListener('message', dieAtAnswer));
  },
});

pg.Client.prototype.query = new Proxy(pg.Client.prototype.query, {
  apply: (query, client: pg.Client, args: unknown[]) => {
    const run = (): unknown => Reflect.apply(query, client, args);
    return args[0] === 'commit' ? atCommit(run, (answer) => void Promise.resolve(answer).then(die, die)) : run();
  },
});

await import('../../hub/main.ts');
