import { statSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { openGitRepository } from '../../clusters/demo/git-repository.ts';
import { startGitServer } from '../../clusters/demo/git-server.ts';
import { ProgramEnded } from '../../clusters/demo/programs.ts';
import { createHubClient, type HubClient } from '../../hub/cli/client/api-client.ts';
import { createHubProcess, type HubProcess } from '../harness/hub-process.ts';
import { clusterFile, policyFile } from '../harness/policy-files.ts';
import { startPostgres } from '../harness/postgres.ts';
import { eventually } from '../harness/waiting.ts';
import { createCommits } from '../simulated-fleet/commits.ts';
import { RolloutAgent } from './rollout-agent.ts';

export interface RolloutCrashOptions {
  readonly database: 'embedded' | 'postgres';
  /** Kills at each write whose number it divides. */
  readonly every: number;
  readonly log: (line: string) => void;
}

export interface RolloutCrashResult {
  /** Commits to the database from the start of the hub until the rollout has ended. */
  readonly writes: number;
  readonly kills: number;
}

const STRATEGY = `apiVersion: compliance.federated.io/v1
kind: RolloutStrategy
metadata: { name: careful }
spec:
  waves:
    - { name: canary, clusterSelector: { matchLabels: { stage: canary } }, soak: 1s, maxNewViolations: 0 }
    - { name: second, clusterSelector: { matchLabels: { stage: second } }, maxConcurrency: 1 }
`;
/** Clusters by the wave that they are in. */
const WAVES: readonly (readonly string[])[] = [['eu'], ['us', 'ca'], ['asia']];
const LABELS = ['stage: canary', 'stage: second', ''];
const API_TOKEN = 'api-token-0123456789';
const KILLING_HUB = join(import.meta.dirname, 'kill-at-commit.ts');
const REGIONS = ['eu-west-1', 'eu-central-1'];

/** Files of a commit, of which each changes the policy of every cluster. */
const filesOf = (number: number): Record<string, string> => ({
  ...Object.fromEntries(
    WAVES.flatMap((names, wave) => names.map((name) => [`clusters/${name}.yaml`, clusterFile(name, REGIONS, LABELS[wave])])),
  ),
  'rollout.yaml': STRATEGY,
  'policies/finance.yaml': policyFile('finance', [REGIONS[number % 2] ?? '']),
});

type StartHub = (command?: readonly string[]) => Promise<HubProcess>;

/** A fleet whose rollouts are carried out by one hub process after another, on one ledger. */
class RolloutFleet {
  readonly #agents: ReadonlyMap<string, RolloutAgent>;
  readonly #commits = createCommits();
  readonly #order: string[] = [];
  readonly #createHub: StartHub;
  readonly #problems: string[] = [];
  #hub: HubProcess | undefined;

  constructor(createHub: StartHub, tokens: ReadonlyMap<string, string>) {
    this.#createHub = createHub;
    const agentUrl = () => this.#hub?.agentUrl ?? '';
    const onOffer = (agent: RolloutAgent, revision: string) => this.#checkOffer(agent, revision);
    this.#agents = new Map(
      [...tokens].map(([cluster, token]) => [cluster, new RolloutAgent({ cluster, token, agentUrl, commits: this.#commits, onOffer })]),
    );
  }

  run(): void {
    for (const agent of this.#agents.values()) agent.run();
  }

  async stop(): Promise<void> {
    await Promise.all([...this.#agents.values()].map((agent) => agent.pause()));
    await this.#hub?.kill();
  }

  /** Number of the next commit. */
  get next(): number {
    return this.#order.length;
  }

  add(revision: string, files: Readonly<Record<string, string>>): void {
    this.#commits.add(revision, this.#commits.compile(files));
    this.#order.push(revision);
  }

  /**
   * Rolls the newest commit out.
   *
   * @param command of a hub that may end itself, which another one then continues; default: the hub
   * @returns what the hub says at the end. @throws Error that names what broke the order
   */
  async roll(command?: readonly string[]): Promise<{ readonly end: unknown; readonly isKilled: boolean }> {
    const first = await this.#rollWith(command);
    const end = first ?? (await this.#rollWith());
    if (this.#problems.length > 0) throw new Error(this.#problems.join('\n'));
    return { end, isKilled: first === undefined };
  }

  /** @returns undefined: the hub ended before the rollout did */
  async #rollWith(command?: readonly string[]): Promise<unknown> {
    const hub = await this.#createHub(command);
    this.#hub = hub;
    try {
      await hub.start();
      const client = createHubClient({ server: hub.url, token: API_TOKEN });
      return await eventually(() => {
        hub.assertRunning();
        return this.#endAt(client);
      });
    } catch (error) {
      if (command === undefined || !(error instanceof ProgramEnded)) throw error;
      return undefined;
    } finally {
      await hub.kill();
    }
  }

  /**
   * Reads what the hub says of the newest commit, without times and ids. @returns undefined: it is
   * not everywhere
   */
  async #endAt(client: HubClient): Promise<unknown> {
    const newest = this.#order.at(-1);
    const { revision, base, state, waves, halted, paused } = await client.rollout();
    const clusters = await client.clusters();
    const isEverywhere = clusters.every((cluster) => cluster.provenRevision === newest && cluster.inSync);
    if (revision !== newest || base !== newest || state !== 'Finished' || !isEverywhere) return undefined;
    const known = { waves, halted, paused, clusters: clusters.map(({ name, nack, waitsFor }) => ({ name, nack, waitsFor })) };
    return JSON.parse(JSON.stringify(known).replaceAll(newest ?? '', 'newest'));
  }

  /** Notes an offer of an older commit than the agent has, and one before the turn of its wave. */
  #checkOffer({ cluster, accepted }: RolloutAgent, revision: string): void {
    const placeOf = (commit: string | null): number => (commit === null ? -1 : this.#order.indexOf(commit));
    if (placeOf(revision) < placeOf(accepted)) this.#problems.push(`${cluster} has ${accepted} and was sent back to ${revision}`);
    const wave = WAVES.findIndex((names) => names.includes(cluster));
    const before = WAVES.slice(0, wave).flat();
    // The first commit brings the strategy.
    const ahead =
      placeOf(revision) === 0 ? undefined : before.find((name) => placeOf(this.#agents.get(name)?.accepted ?? null) < placeOf(revision));
    if (ahead !== undefined) this.#problems.push(`${cluster} was offered ${revision} before ${ahead} had it`);
  }
}

const sizeOf = (file: string): number => statSync(file, { throwIfNoEntry: false })?.size ?? 0;

/** Opens a fleet on an empty ledger. */
const openFleet = async (database: RolloutCrashOptions['database']) => {
  const folder = await mkdtemp(join(tmpdir(), 'fso-crash-rollout-'));
  const git = await startGitServer({ root: join(folder, 'repositories') });
  await git.create('policies.git');
  const gitUrl = git.url('policies.git');
  const repository = await openGitRepository(join(folder, 'work'), gitUrl);
  const postgres = database === 'postgres' ? await startPostgres() : undefined;
  const server: Record<string, string> = postgres === undefined ? {} : { DATABASE_URL: await postgres.createDatabase() };
  const tokens = new Map(WAVES.flat().map((name) => [name, `token-of-${name}-0123456789`]));
  const settings = { name: 'hub', folder: join(folder, 'hub'), gitUrl, tokens, env: { ...server, FSO_API_TOKEN: API_TOKEN } };
  const fleet = new RolloutFleet((command) => createHubProcess({ ...settings, ...(command && { command }) }), tokens);
  const counted = join(folder, 'writes');
  fleet.run();
  return {
    /** Commits, and rolls that out by a hub that ends itself at one of its writes; 0: at none. */
    rollNext: async (number: number, side: 'before' | 'after') => {
      const files = filesOf(fleet.next);
      fleet.add(await repository.commit(files, `commit ${fleet.next}`), files);
      const before = sizeOf(counted);
      const rolled = await fleet.roll([KILLING_HUB, String(number), side, counted]);
      return { ...rolled, writes: sizeOf(counted) - before };
    },
    close: async (): Promise<void> => {
      await fleet.stop();
      await postgres?.stop();
      await git.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
};

/**
 * Rolls one commit after another out, each with a kill -9 of the hub at another of its writes,
 * before and after the database has it; and compares the end with that of a rollout without.
 *
 * @throws Error that says what is different
 */
export const crashRollouts = async ({ database, every, log }: RolloutCrashOptions): Promise<RolloutCrashResult> => {
  const { rollNext, close } = await openFleet(database);
  try {
    await rollNext(0, 'before');
    const { end: expected, writes } = await rollNext(0, 'before');
    log(`${writes} writes from the start of the hub until the rollout has ended`);
    const numbers = Array.from({ length: Math.floor(writes / every) }, (_, at) => (at + 1) * every);
    let kills = 0;
    for (const number of numbers) {
      const ends = [await rollNext(number, 'before'), await rollNext(number, 'after')];
      const other = ends.find(({ end }) => !isDeepStrictEqual(end, expected));
      if (other !== undefined) throw new Error(`a kill at write ${number}: ${JSON.stringify([other.end, expected])}`);
      kills += ends.filter(({ isKilled }) => isKilled).length;
      if (number % 10 === 0) log(`${kills} kills, up to write ${number} of ${writes}: every rollout ended equally`);
    }
    return { writes, kills };
  } finally {
    await close();
  }
};
