import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { registrationPaths } from '@fso/shared/decode';
import { type GitRepository, openGitRepository } from '../../../clusters/demo/git-repository.ts';
import { startGitServer } from '../../../clusters/demo/git-server.ts';
import { caOf } from '../../harness/enrolment-client.ts';
import { createHubProcess, type HubProcess } from '../../harness/hub-process.ts';
import { clusterFile, policyFile, scopeFile } from '../../harness/policy-files.ts';
import { startPostgres } from '../../harness/postgres.ts';
import { createCommits } from '../../simulated-fleet/commits.ts';
import { printRows, writeFigures } from '../figures.ts';
import { cpuMsOf, memoryOf } from '../memory-of.ts';
import type { Commit, News, Order } from './agents.ts';

export interface FleetSettings {
  readonly agents: number;
  readonly policies: number;
  /** Folders with a scope that the policies are spread over; 0: one folder for all. */
  readonly scopes: number;
  readonly database: 'embedded' | 'postgres';
  /** Processes that the agents are spread over. */
  readonly processes: number;
  /** Share of the policies whose namespace is missing, others in each cluster. */
  readonly missing: number;
  /** More environment of the hub. */
  readonly env: Readonly<Record<string, string>>;
  /** Clusters that may connect and have no agent. */
  readonly strangers?: readonly string[];
  /** `hub/main.ts` of another version. */
  readonly hub?: string | undefined;
  readonly json: string | undefined;
}

export const fleetSettings = (args: string[]): FleetSettings => {
  const { values } = parseArgs({
    args,
    options: {
      agents: { type: 'string', default: '500' },
      policies: { type: 'string', default: '1000' },
      scopes: { type: 'string', default: '0' },
      database: { type: 'string', default: 'embedded' },
      processes: { type: 'string', default: '2' },
      missing: { type: 'string', default: '0' },
      env: { type: 'string', multiple: true, default: [] },
      hub: { type: 'string' },
      json: { type: 'string' },
    },
  });
  return {
    agents: Number(values.agents),
    policies: Number(values.policies),
    scopes: Number(values.scopes),
    database: values.database === 'postgres' ? 'postgres' : 'embedded',
    processes: Number(values.processes),
    missing: Number(values.missing),
    env: Object.fromEntries(values.env.map((setting) => setting.split(/=(.*)/s, 2))),
    hub: values.hub,
    json: values.json,
  };
};

const REGIONS = ['eu-west-1', 'eu-central-1'];
const POLL_MS = '200';
/** Of an administrator at the hub. */
export const API_TOKEN = 'token-of-the-bench-0123456789';

/** Where a policy stands. */
const pathOf = (policy: number, { scopes }: FleetSettings): string =>
  scopes === 0 ? `policies/policy-${policy}.yaml` : `policies/t-${policy % scopes}/policy-${policy}.yaml`;

/** As `fso validate --fix` has it. */
const registrationPath = (cluster: string, { agents }: FleetSettings): string => registrationPaths(cluster)[agents > 1000 ? 1 : 0];

const numbered = (what: string, count: number): string[] => Array.from({ length: count }, (_, n) => `${what}-${n}`);

export const now = (): number => performance.timeOrigin + performance.now();

export const tokenOf = (cluster: string): string => `token-of-${cluster}-0123456789`;

export const pssOf = (hub: HubProcess): number => memoryOf(hub.pid ?? 0).reduce((total, { pss }) => total + pss, 0);

/** News of all agents, gathered until a question about them is answered. */
class NewsRoom {
  readonly #heard = new Set<(news: News) => void>();

  take(news: News): void {
    for (const listener of this.#heard) listener(news);
  }

  /** Resolves with the first matching word of each of `count` agents. */
  async fromAll<T extends News>(count: number, isWanted: (news: News) => news is T, signal: AbortSignal): Promise<readonly T[]> {
    const found = new Map<string, T>();
    const all = Promise.withResolvers<void>();
    const listener = (news: News): void => {
      if (isWanted(news) && !found.has(news.cluster)) found.set(news.cluster, news);
      if (found.size === count) all.resolve();
    };
    const stop = (): void => all.reject(signal.reason);
    signal.addEventListener('abort', stop, { once: true });
    this.#heard.add(listener);
    try {
      await all.promise;
      return [...found.values()];
    } finally {
      this.#heard.delete(listener);
      signal.removeEventListener('abort', stop);
    }
  }
}

export type Settled = Extract<News, { type: 'settled' }>;
export type Reported = Extract<News, { type: 'reported' }>;

/** A hub as a process, and agents in other processes on its TLS listener; all are connected and have reported. */
export class BenchFleet {
  readonly #news: NewsRoom;
  readonly #children: readonly ChildProcess[];
  readonly #settings: FleetSettings;
  readonly #repository: GitRepository;
  readonly #signal: AbortSignal;
  readonly hub: HubProcess;
  /** PEM of the hub's CA. */
  ca = '';
  #files: Record<string, string>;
  #commits = 0;

  constructor(parts: {
    settings: FleetSettings;
    hub: HubProcess;
    repository: GitRepository;
    files: Record<string, string>;
    signal: AbortSignal;
  }) {
    this.#settings = parts.settings;
    this.#news = new NewsRoom();
    this.hub = parts.hub;
    this.#repository = parts.repository;
    this.#files = parts.files;
    this.#signal = parts.signal;
    this.#children = Array.from({ length: parts.settings.processes }, () => fork(join(import.meta.dirname, 'agents.ts')));
    for (const child of this.#children) child.on('message', (news: News) => this.#news.take(news));
  }

  /** Resolves once each agent has connected and the hub has all of its reports. */
  allSettled(): Promise<readonly Settled[]> {
    const isSettled = (news: News): news is Settled => news.type === 'settled';
    return this.#news.fromAll(this.#settings.agents, isSettled, this.#signal);
  }

  /** The agents have nothing at first: they take the first commit from the hub. */
  start(order: { ca: string; tokens: ReadonlyMap<string, string>; policies: readonly string[]; revision: string }): void {
    this.ca = order.ca;
    const tokens = [...order.tokens];
    const commit: Commit = { type: 'commit', revision: order.revision, teams: this.#teams(order.policies) };
    for (const [index, child] of this.#children.entries()) {
      const share = tokens.filter((_, at) => at % this.#children.length === index);
      this.#send(child, commit);
      this.#send(child, { type: 'start', hubUrl: this.hub.agentUrl, ca: order.ca, tokens: share, missing: this.#settings.missing });
    }
  }

  /** What the files as they stand are to the agents. */
  #teams(changed: readonly string[]): Commit['teams'] {
    const compiled = createCommits().compile(this.#files);
    return numbered('cluster', Math.max(1, this.#settings.scopes)).map((cluster) => {
      const { digest = '', policies = [] } = compiled.get(cluster) ?? {};
      const names = new Set(changed);
      return { digest, changed: policies.filter(({ name }) => names.has(name)) };
    });
  }

  /** Commits a change of one policy. Resolves once each agent has it in force and the hub knows; `at` is in milliseconds since the commit. */
  async commitOne(): Promise<readonly Reported[]> {
    this.#commits += 1;
    const changed = 'policy-0';
    const path = pathOf(0, this.#settings);
    const text = `${policyFile(changed, REGIONS)}  description: change ${this.#commits}\n`;
    this.#files = { ...this.#files, [path]: text };
    // Before the commit: the agents wait for it.
    const teams = this.#teams([changed]);
    const begin = now();
    const revision = await this.#repository.commit({ [path]: text }, `change ${this.#commits}`);
    const isReported = (news: News): news is Reported => news.type === 'reported' && news.revision === revision;
    const reported = this.#news.fromAll(this.#settings.agents, isReported, this.#signal);
    for (const child of this.#children) this.#send(child, { type: 'commit', revision, teams });
    return (await reported).map((news) => ({ ...news, at: news.at - begin }));
  }

  /** A share of the policies fails in each cluster, the others conform. Resolves once the hub has all reports. */
  async turn(failed: number): Promise<void> {
    const settled = this.allSettled();
    for (const child of this.#children) this.#send(child, { type: 'turn', failed });
    await settled;
  }

  cpuMs(): number {
    return cpuMsOf(this.hub.pid ?? 0);
  }

  async stop(): Promise<void> {
    const ended = this.#children.map((child) => (child.exitCode === null ? once(child, 'exit') : undefined));
    for (const child of this.#children) this.#send(child, { type: 'stop' });
    await Promise.all(ended);
  }

  #send(child: ChildProcess, order: Order): void {
    if (child.connected) child.send(order);
  }
}

export interface FirstRound {
  readonly ms: number;
  /** Of the largest offer to one agent. */
  readonly bytes: number;
  readonly cpuMs: number;
}

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
  const files = Object.fromEntries([
    ...names.map((name, at) => [
      registrationPath(name, settings),
      clusterFile(name, REGIONS, `team: t-${at % Math.max(1, settings.scopes)}`),
    ]),
    ...policies.map((name, at) => [pathOf(at, settings), policyFile(name, REGIONS)]),
    ...Array.from({ length: settings.scopes }, (_, team) => [
      `policies/t-${team}/scope.yaml`,
      scopeFile(`t-${team}`, `clusterSelector: { matchLabels: { team: t-${team} } }`),
    ]),
  ]);
  let fleet: BenchFleet | undefined;
  let hub: HubProcess | undefined;
  try {
    await git.create('policies.git');
    const gitUrl = git.url('policies.git');
    const repository = await openGitRepository(join(folder, 'work'), gitUrl);
    const revision = await repository.commit(files, 'first');
    const tokens = new Map(names.map((name) => [name, tokenOf(name)]));
    const allTokens = new Map([...tokens, ...(settings.strangers ?? []).map((name) => [name, tokenOf(name)] as const)]);
    const database: Readonly<Record<string, string>> = postgres === undefined ? {} : { DATABASE_URL: await postgres.createDatabase() };
    const env = { FSO_AGENT_TLS: 'on', FSO_GIT_POLL_MS: POLL_MS, FSO_API_TOKEN: API_TOKEN, ...database, ...settings.env };
    const program = settings.hub === undefined ? {} : { command: [settings.hub] };
    hub = await createHubProcess({ name: 'hub', folder: join(folder, 'hub'), gitUrl, tokens: allTokens, env, ...program });
    await hub.start();
    fleet = new BenchFleet({ settings, hub, repository, files, signal });
    const settled = fleet.allSettled();
    const [begin, cpu] = [now(), fleet.cpuMs()];
    fleet.start({ ca: caOf(join(folder, 'hub/data')), tokens, policies, revision });
    const all = await settled;
    const [last, bytes] = [Math.max(...all.map(({ at }) => at)), Math.max(...all.map((news) => news.bytes))];
    return await measure(fleet, { ms: last - begin, bytes, cpuMs: fleet.cpuMs() - cpu });
  } finally {
    await fleet?.stop();
    await hub?.stop();
    await git.stop();
    await postgres?.stop();
    await rm(folder, { recursive: true, force: true });
  }
};

/** Prints a table of two columns, and writes the figures with the machine they are of. */
export const publish = async (settings: FleetSettings, rows: Readonly<Record<string, string | number>>): Promise<void> => {
  const { agents, policies, scopes, database } = settings;
  const spread = scopes === 0 ? 'one folder' : `${scopes} scopes`;
  printRows(`${agents} agents, ${policies} policies in ${spread}, ${database} ledger, ${cpus().length} cores shared with the agents`, rows);
  await writeFigures(settings.json, { settings, rows });
};
