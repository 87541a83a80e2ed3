import { isDeepStrictEqual } from 'node:util';
import { ProgramEnded } from '../../clusters/demo/programs.ts';
import { createHubClient, type HubClient } from '../../hub/cli/client/api-client.ts';
import type { HubProcess } from '../harness/hub-process.ts';
import { eventually } from '../harness/waiting.ts';
import { createCommits } from '../simulated-fleet/commits.ts';
import { delay } from './load.ts';
import { RolloutAgent } from './rollout-agent.ts';

/** Clusters by wave. */
export const WAVES: readonly (readonly string[])[] = [['eu'], ['us', 'ca'], ['asia']];
export const API_TOKEN = 'api-token-0123456789';
/** Milliseconds in which a hub checks a run several times. */
const HOLD_MS = 3_000;

/** Final state of a rollout, from the API of the hub. */
export interface RolloutEnd {
  /** State without times and ids. */
  readonly known: unknown;
  /** Number of audit entries that let an unseen wave continue. */
  readonly approvals: number;
}

export interface Rolled {
  readonly end: RolloutEnd;
  readonly isKilled: boolean;
}

const approvalsOf = async (client: HubClient, subject: string): Promise<number> =>
  (await client.audit({ action: 'rollout.approve', subject, limit: 9 })).length;

type StartHub = (command?: readonly string[]) => Promise<HubProcess>;

/** Fleet whose rollouts are carried out by successive hub processes on one ledger. */
export class RolloutFleet {
  readonly #agents: ReadonlyMap<string, RolloutAgent>;
  readonly #commits = createCommits();
  readonly #order: string[] = [];
  readonly #createHub: StartHub;
  readonly #problems: string[] = [];
  readonly #away = new Set<string>();
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

  /** Disconnects the clusters of the first wave for good. */
  async leave(): Promise<void> {
    for (const name of WAVES[0] ?? []) {
      this.#away.add(name);
      await this.#agents.get(name)?.pause();
    }
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
   * Rolls out the newest commit.
   *
   * @param command command of a hub that may kill itself, after which another hub continues;
   * default: the hub
   * @returns state at the end, from the hub
   * @throws Error with violations of the order
   */
  async roll(command?: readonly string[]): Promise<Rolled> {
    const read = (client: HubClient) => this.#endAt(client);
    const first = await this.#runHub(read, command);
    const end = first ?? (await this.#runHub(read));
    if (end === undefined) throw new Error('the hub ended by itself');
    if (this.#problems.length > 0) throw new Error(this.#problems.join('\n'));
    return { end, isKilled: first === undefined };
  }

  /** Checks that the newest commit does not spread without a tag. @throws Error if it does */
  async assertHeld(): Promise<void> {
    const newest = this.#order.at(-1) ?? '';
    const found = await this.#runHub(async (client) => {
      // The hub reports a problem until it has found out that there are no tags.
      if ((await client.rollout()).halted?.approval?.problems.length !== 0) return undefined;
      await delay(HOLD_MS);
      const ahead = [...this.#agents.values()].filter(({ accepted }) => accepted === newest);
      const gate = (await client.rollout()).halted?.gate;
      return { gate, approvals: await approvalsOf(client, newest), ahead: ahead.map(({ cluster }) => cluster) };
    });
    if (!isDeepStrictEqual(found, { gate: 'NothingLookedAt', approvals: 0, ahead: [] }))
      throw new Error(`a commit without a tag went on: ${JSON.stringify(found)}`);
  }

  /** Runs a hub until `read` returns something. @returns undefined if the hub ended before that */
  async #runHub<T extends object>(
    read: (client: HubClient) => Promise<T | undefined>,
    command?: readonly string[],
  ): Promise<T | undefined> {
    const hub = await this.#createHub(command);
    this.#hub = hub;
    try {
      await hub.start();
      const client = createHubClient({ server: hub.url, token: API_TOKEN });
      return await eventually(() => {
        hub.assertRunning();
        return read(client);
      });
    } catch (error) {
      if (command === undefined || !(error instanceof ProgramEnded)) throw error;
      return undefined;
    } finally {
      await hub.kill();
    }
  }

  /** Reads the state of the newest commit. @returns undefined if it is not in all clusters yet */
  async #endAt(client: HubClient): Promise<RolloutEnd | undefined> {
    const newest = this.#order.at(-1) ?? '';
    const { revision, base, state, waves, halted, paused } = await client.rollout();
    const clusters = await client.clusters();
    const isEverywhere = clusters.every(
      ({ name, provenRevision, inSync }) => this.#away.has(name) || (provenRevision === newest && inSync),
    );
    if (revision !== newest || base !== newest || state !== 'Finished' || !isEverywhere) return undefined;
    const known = { waves, halted, paused, clusters: clusters.map(({ name, nack, waitsFor }) => ({ name, nack, waitsFor })) };
    return { known: JSON.parse(JSON.stringify(known).replaceAll(newest, 'newest')), approvals: await approvalsOf(client, newest) };
  }

  /** Records an offer of an older commit than the agent has, and one before the wave's turn. */
  #checkOffer({ cluster, accepted }: RolloutAgent, revision: string): void {
    const placeOf = (commit: string | null): number => (commit === null ? -1 : this.#order.indexOf(commit));
    if (placeOf(revision) < placeOf(accepted)) this.#problems.push(`${cluster} has ${accepted} and was sent back to ${revision}`);
    const wave = WAVES.findIndex((names) => names.includes(cluster));
    const before = WAVES.slice(0, wave)
      .flat()
      .filter((name) => !this.#away.has(name));
    // The first commit introduces the strategy.
    const ahead =
      placeOf(revision) === 0 ? undefined : before.find((name) => placeOf(this.#agents.get(name)?.accepted ?? null) < placeOf(revision));
    if (ahead !== undefined) this.#problems.push(`${cluster} was offered ${revision} before ${ahead} had it`);
  }
}
