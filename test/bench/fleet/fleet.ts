import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { type GitRepository, openGitRepository } from '../../../clusters/demo/git-repository.ts';
import { startGitServer } from '../../../clusters/demo/git-server.ts';
import { caOf } from '../../harness/enrolment-client.ts';
import { createHubProcess, type HubProcess } from '../../harness/hub-process.ts';
import { startPostgres } from '../../harness/postgres.ts';
import { printRows, writeFigures } from '../figures.ts';
import { cpuMsOf, memoryOf } from '../memory-of.ts';
import { enrolAll } from './enrol.ts';
import type { LiveReader } from './live-reader.ts';
import { NewsRoom } from './news-room.ts';
import { type AgentProof, type Commit, type CommitStep, type News, now, type Order, type Turn } from './orders.ts';
import { changedFiles, firstFiles, numbered, teamsOf } from './repository-files.ts';
import type { ClusterRows } from './rows.ts';
import type { FleetSettings } from './settings.ts';

const POLL_MS = '200';
/** API token of an administrator. */
export const API_TOKEN = 'token-of-the-bench-0123456789';

export const tokenOf = (cluster: string): string => `token-of-${cluster}-0123456789`;

export const pssOf = (hub: HubProcess): number => memoryOf(hub.pid ?? 0).reduce((total, { pss }) => total + pss, 0);

export type Settled = Extract<News, { type: 'settled' }>;
export type Reported = Extract<News, { type: 'reported' }>;
type Shaken = Extract<News, { type: 'shaken' }>;

/** Commit that is not pushed yet. */
export interface PreparedCommit {
  readonly message: string;
  readonly files: Readonly<Record<string, string>>;
  readonly teams: Commit['teams'];
}

/** Commit that each reading agent enforces. Times are in milliseconds since it was made. */
export interface Committed {
  readonly reported: readonly Reported[];
  /**
   * Times at which a reader of live events knew of each agent, ascending; empty without a reader.
   */
  readonly seen: readonly number[];
}

/**
 * Hub in a process, and agents in other processes that have connected to its TLS listener and
 * reported.
 */
export class BenchFleet {
  readonly news = new NewsRoom();
  readonly #children: readonly ChildProcess[];
  readonly #settings: FleetSettings;
  readonly #repository: GitRepository;
  readonly #signal: AbortSignal;
  readonly hub: HubProcess;
  /** Folder of the hub's data. */
  readonly dataDir: string;
  /** Clusters whose agents do not read. */
  readonly stalled = new Set<string>();
  /** Pushed commits, oldest first. */
  readonly revisions: string[] = [];
  #files: Record<string, string>;
  #commits = 0;

  constructor(parts: {
    settings: FleetSettings;
    hub: HubProcess;
    dataDir: string;
    repository: GitRepository;
    files: Record<string, string>;
    signal: AbortSignal;
  }) {
    this.#settings = parts.settings;
    this.hub = parts.hub;
    this.dataDir = parts.dataDir;
    this.#repository = parts.repository;
    this.#files = parts.files;
    this.#signal = parts.signal;
    this.#children = Array.from({ length: parts.settings.processes }, () => fork(new URL('./agents.ts', import.meta.url)));
    for (const child of this.#children) child.on('message', (news: readonly News[]) => this.news.take(news));
  }

  /** Paths and contents of the files in the last commit. */
  get files(): Readonly<Record<string, string>> {
    return this.#files;
  }

  /** PEM of the hub's CA. */
  get ca(): string {
    return caOf(this.dataDir);
  }

  /** Resolves once each agent has connected and the hub has all of its reports. */
  allSettled(): Promise<readonly Settled[]> {
    const isSettled = (news: News): news is Settled => news.type === 'settled';
    return this.news.fromAll(this.#settings.agents, isSettled, this.#signal);
  }

  /** Starts the agents, which have no commit yet and receive the first one from the hub. */
  start(order: { agents: readonly AgentProof[]; policies: readonly string[]; revision: string }): void {
    this.revisions.push(order.revision);
    const commit: Commit = { type: 'commit', revision: order.revision, teams: teamsOf(this.#settings, this.#files, order.policies) };
    for (const [index, child] of this.#children.entries()) {
      const agents = order.agents.filter((_, at) => at % this.#children.length === index);
      this.#send(child, commit);
      const { missing, workloads = 0, proofMs = 0 } = this.#settings;
      this.#send(child, { type: 'start', hubUrl: this.hub.agentUrl, ca: this.ca, agents, missing, workloads, proofMs });
    }
  }

  /**
   * Compiles a change of the first policies for the agents. Commits must be pushed in the order in
   * which they were prepared.
   *
   * @param policies number of policies that change
   */
  prepare(policies = 1): PreparedCommit {
    this.#commits += 1;
    const [changed, message] = [numbered('policy', policies), `change ${this.#commits}`];
    const files = changedFiles(this.#settings, changed, message);
    this.#files = { ...this.#files, ...files };
    return { message, files, teams: teamsOf(this.#settings, this.#files, changed) };
  }

  /** Pushes a prepared commit. Resolves with the revision before any agent has it. */
  async push({ message, files, teams }: PreparedCommit): Promise<string> {
    const revision = await this.#repository.commit(files, message);
    this.revisions.push(revision);
    this.order({ type: 'commit', revision, teams });
    return revision;
  }

  /**
   * Commits a change of the first policies. Resolves once each reading agent has reported that it
   * enforces the commit, and the reader, if any, knows.
   *
   * @param policies number of policies that change
   */
  async commit(policies = 1, reader?: LiveReader): Promise<Committed> {
    // Before the commit, because the agents wait for it.
    const prepared = this.prepare(policies);
    const wanted = this.#settings.agents - this.stalled.size;
    reader?.begin();
    const begin = now();
    const revision = await this.push(prepared);
    let count = 0;
    const isReported = (news: News): news is Reported => {
      const is = news.type === 'reported' && news.revision === revision && !this.stalled.has(news.cluster);
      if (is) count += 1;
      return is;
    };
    const reported = this.news.fromAll(wanted, isReported, this.#signal);
    const seen = reader?.watch({ revision, wanted, reported: () => count, without: this.stalled });
    const [all, times = []] = await Promise.all([reported, seen]);
    return { reported: all.map((news) => ({ ...news, at: news.at - begin })), seen: times.map((at) => at - begin) };
  }

  /** Changes the state of policies in each cluster. Resolves once the hub has all reports. */
  async turn(turn: Omit<Turn, 'type'>): Promise<void> {
    const settled = this.allSettled();
    this.order({ type: 'turn', ...turn });
    await settled;
  }

  /** Makes these agents stop reading. */
  stall(clusters: readonly string[]): void {
    for (const cluster of clusters) this.stalled.add(cluster);
    this.order({ type: 'stall', clusters });
  }

  /**
   * Opens a stream of each agent to a server that only accepts them. Resolves with the milliseconds
   * until the last one was open.
   */
  async handshakes(url: string): Promise<number> {
    const begin = now();
    return (await this.openBare({ type: 'handshake', url })) - begin;
  }

  /**
   * Opens a stream of each agent to a bare server. Resolves with the time at which the last one was
   * open.
   */
  async openBare(order: Extract<Order, { type: 'handshake' | 'echo' }>): Promise<number> {
    const all = await this.#ask(order, (news): news is Shaken => news.type === 'shaken');
    const failed = all.filter((news) => news.failed !== undefined);
    if (failed[0] !== undefined) throw new Error(`${failed.length} streams to the bare server failed: ${failed[0].failed}`);
    return Math.max(...all.map(({ at }) => at));
  }

  /** Returns the state of each agent's cluster. */
  async rows(): Promise<ReadonlyMap<string, ClusterRows>> {
    const all = await this.#ask({ type: 'rows' }, (news): news is Extract<News, { type: 'rows' }> => news.type === 'rows');
    return new Map(all.map(({ cluster, rows }) => [cluster, rows]));
  }

  /** Returns the commits that each agent was offered and has proven since its start. */
  async steps(): Promise<readonly CommitStep[]> {
    const all = await this.#ask({ type: 'steps' }, (news): news is Extract<News, { type: 'steps' }> => news.type === 'steps');
    return all.flatMap(({ steps }) => steps);
  }

  /** Sends an order, and resolves with the response of each agent. */
  #ask<T extends News>(order: Order, isAnswer: (news: News) => news is T): Promise<readonly T[]> {
    const all = this.news.fromAll(this.#settings.agents, isAnswer, this.#signal);
    this.order(order);
    return all;
  }

  cpuMs(): number {
    return cpuMsOf(this.hub.pid ?? 0);
  }

  async stop(): Promise<void> {
    const ended = this.#children.map((child) => (child.exitCode === null ? once(child, 'exit') : undefined));
    this.order({ type: 'stop' });
    await Promise.all(ended);
  }

  /** Sends an order to each process of agents. */
  order(order: Order): void {
    for (const child of this.#children) this.#send(child, order);
  }

  #send(child: ChildProcess, order: Order): void {
    if (child.connected) child.send(order);
  }
}

export interface FirstRound {
  readonly ms: number;
  /** Size of the largest offer to one agent. */
  readonly bytes: number;
  readonly cpuMs: number;
  /** Number of connections that the agents started. */
  readonly dials: number;
}

/** Returns the number of connections that agents started until they were settled. */
export const dialsOf = (settled: readonly Settled[]): number => settled.reduce((sum, { dials }) => sum + dials, 0);

/** Opens a fleet and measures with it. */
export const withFleet = async <T>(
  settings: FleetSettings,
  signal: AbortSignal,
  measure: (fleet: BenchFleet, first: FirstRound) => Promise<T>,
): Promise<T> => {
  const folder = await mkdtemp(join(tmpdir(), 'fso-bench-fleet-'));
  const postgres = settings.database === 'postgres' ? await startPostgres() : undefined;
  const git = await startGitServer({ root: join(folder, 'repositories') });
  const names = numbered('cluster', settings.agents);
  const policies = numbered('policy', settings.policies);
  const files = firstFiles(settings, names, policies);
  let fleet: BenchFleet | undefined;
  let hub: HubProcess | undefined;
  try {
    await git.create('policies.git');
    const gitUrl = git.url('policies.git');
    const repository = await openGitRepository(join(folder, 'work'), gitUrl);
    const revision = await repository.commit(files, 'first');
    const known = settings.proof === 'certificate' ? [] : names;
    const tokens = new Map([...known, ...(settings.strangers ?? [])].map((name) => [name, tokenOf(name)]));
    const database: Readonly<Record<string, string>> = postgres === undefined ? {} : { DATABASE_URL: await postgres.createDatabase() };
    const env = { FSO_AGENT_TLS: 'on', FSO_GIT_POLL_MS: POLL_MS, FSO_API_TOKEN: API_TOKEN, ...database, ...settings.env };
    const program = settings.hub === undefined ? {} : { command: [settings.hub] };
    hub = await createHubProcess({ name: 'hub', folder: join(folder, 'hub'), gitUrl, tokens, env, ...program });
    await hub.start();
    fleet = new BenchFleet({ settings, hub, dataDir: join(folder, 'hub/data'), repository, files, signal });
    const agents =
      settings.proof === 'certificate'
        ? await enrolAll(hub, names, { ca: fleet.ca, token: API_TOKEN })
        : names.map((cluster) => ({ cluster, token: tokenOf(cluster) }));
    const settled = fleet.allSettled();
    const [begin, cpu] = [now(), fleet.cpuMs()];
    fleet.start({ agents, policies, revision });
    const all = await settled;
    const [last, bytes] = [Math.max(...all.map(({ at }) => at)), Math.max(...all.map((news) => news.bytes))];
    return await measure(fleet, { ms: last - begin, bytes, cpuMs: fleet.cpuMs() - cpu, dials: dialsOf(all) });
  } finally {
    await fleet?.stop();
    await hub?.stop();
    await git.stop();
    await postgres?.stop();
    await rm(folder, { recursive: true, force: true });
  }
};

/**
 * Prints a table of two columns, and writes the figures and the machine that they were measured on.
 */
export const publish = async (settings: FleetSettings, rows: Readonly<Record<string, string | number>>): Promise<void> => {
  const { agents, policies, scopes, database } = settings;
  const spread = scopes === 0 ? 'one folder' : `${scopes} scopes`;
  printRows(`${agents} agents, ${policies} policies in ${spread}, ${database} ledger, ${cpus().length} cores shared with the agents`, rows);
  await writeFigures(settings.json, { settings, rows });
};
