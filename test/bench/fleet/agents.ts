import { BenchAgent, type TakenCommit, type TeamList } from './bench-agent.ts';
import { openEchoes, openStreams } from './open-streams.ts';
import type { Commit, News, Order } from './orders.ts';

/** Process that runs agents. */

let untold: News[] = [];
/** Sends all messages of a turn of the event loop as one, as each send is a system call. */
const tell = (news: News): void => {
  if (untold.push(news) > 1) return;
  setImmediate(() => {
    process.send?.(untold);
    untold = [];
  });
};

const commits = new Map<string, PromiseWithResolvers<TakenCommit>>();
const entryOf = (revision: string): PromiseWithResolvers<TakenCommit> => {
  const entry = commits.get(revision) ?? Promise.withResolvers<TakenCommit>();
  commits.set(revision, entry);
  return entry;
};
const commitOf = (revision: string): Promise<TakenCommit> => entryOf(revision).promise;

/** Lists of policies in the last commit, by team. */
let lists: readonly TeamList[] = [];
const takeCommit = ({ revision, teams }: Commit): void => {
  lists = teams.map(({ digest, changed }, team) => {
    const came = changed.map((policy) => [policy.name, { policy, since: revision }] as const);
    return {
      digest,
      policies: came.length === 0 ? (lists[team]?.policies ?? new Map()) : new Map([...(lists[team]?.policies ?? []), ...came]),
    };
  });
  entryOf(revision).resolve({ revision, lists });
};

const agents: BenchAgent[] = [];
const stop = new AbortController();

const isEnforcing = (): boolean => agents.some((agent) => agent.isEnforcing);

const start = (order: Extract<Order, { type: 'start' }>): void => {
  for (const proof of order.agents) {
    const agent = new BenchAgent(order, proof, { commitOf, tell, isEnforcing });
    agents.push(agent);
    // A signal of its own: a listener takes time in proportion to the others of its signal.
    agent.run(AbortSignal.any([stop.signal])).catch(() => undefined);
  }
};

const stall = (clusters: ReadonlySet<string>): void => {
  for (const agent of agents) if (clusters.has(agent.cluster)) agent.stall();
};

const take = (order: Order): void => {
  switch (order.type) {
    case 'start':
      start(order);
      break;
    case 'commit':
      takeCommit(order);
      break;
    case 'turn':
      for (const agent of agents) agent.turn(order);
      break;
    case 'stall':
      stall(new Set(order.clusters));
      break;
    case 'handshake':
      void openStreams(agents, order.url, tell);
      break;
    case 'echo':
      void openEchoes(agents, order, tell);
      break;
    case 'rows':
      for (const agent of agents) tell({ type: 'rows', cluster: agent.cluster, rows: agent.rows() });
      break;
    case 'steps':
      for (const agent of agents) tell({ type: 'steps', cluster: agent.cluster, steps: agent.steps });
      break;
    case 'stop':
      stop.abort(new Error('stopped'));
      break;
  }
};

process.on('message', take);
// Without the process that started it, nothing reads the figures.
process.once('disconnect', () => process.exit(0));
stop.signal.addEventListener('abort', () => setTimeout(() => process.exit(0), 500));
