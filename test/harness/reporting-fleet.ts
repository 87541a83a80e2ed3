import type { SourceFile } from '@fso/shared/decode';
import { FakeClock } from '@fso/shared/fake-clock';
import type { Desired } from '../../hub/ledger/index.ts';
import { createMemoryLedger } from '../../hub/ledger/testing/memory-ledger.ts';
import { desiredOf } from '../../hub/serve/testing/fleet.ts';
import { clusterFile, policyFile } from '../../shared/decode/testing/decoded.ts';
import { ReportedHub, type Shown } from './reported-hub.ts';
import { ReportingAgent, type Sight } from './reporting-agent.ts';

/**
 * Clusters and hubs in one process, without the network between them: the reporters of agents, and
 * the hub's handling of their frames.
 */

/**
 * Step of the clock in ms: longer than the pause between two reports, and much shorter than any
 * report is held back.
 */
const TURN_MS = 50;

/** Returns the state of a cluster that has accepted a commit and enforces all of it. */
export const acceptedIn = ({ revision, clusters }: Desired, cluster: string): Pick<Sight, 'revision' | 'list'> => ({
  revision,
  list: clusters.get(cluster) ?? [],
});

/** Agents and their hub, with one clock. */
export class ReportingFleet implements Disposable {
  readonly clock: FakeClock;
  hub: ReportedHub;
  readonly #agents: ReportingAgent[] = [];

  constructor(clock = new FakeClock(), ledger = createMemoryLedger({ clock })) {
    this.clock = clock;
    this.hub = new ReportedHub(clock, ledger);
  }

  get shown(): Shown {
    return this.hub.shown;
  }

  /**
   * Starts the agent of a cluster and connects it. Unless it is to be silent, waits until it has
   * sent all its reports.
   */
  async start(name: string, sight: Partial<Sight>, { isSilent = false } = {}): Promise<ReportingAgent> {
    const agent = new ReportingAgent(name, this.clock, sight);
    this.#agents.push(agent);
    await agent.connect(this.hub);
    if (!isSilent) await this.settle();
    return agent;
  }

  /** Changes a cluster, and waits until the hub has the reports of its agent. */
  async see(agent: ReportingAgent, change: Partial<Sight>): Promise<void> {
    await agent.see(change);
    await this.settle();
  }

  /** Waits until no agent has anything to send now. Reports that are held back are not awaited. */
  async settle(): Promise<void> {
    for (let isBusy = true; isBusy; ) {
      await this.clock.advance(TURN_MS);
      const arrived = await Promise.all(this.#agents.map((agent) => agent.arrive()));
      isBusy = arrived.includes(true);
    }
  }

  /** Advances time; at its end, agents send a heartbeat. */
  async pass(ms: number): Promise<void> {
    await this.clock.advance(ms);
    await this.settle();
    for (const agent of this.#agents) await agent.pong();
  }

  /** Replaces the hub. All agents connect to the new one. */
  async replaceHub(hub: ReportedHub): Promise<void> {
    this.hub = hub;
    for (const agent of this.#agents) await agent.connect(hub);
    await this.settle();
  }

  [Symbol.dispose](): void {
    for (const agent of this.#agents) agent.stop();
  }
}

const CLUSTERS = [clusterFile('eu', ['eu-west-1', 'eu-central-1']), clusterFile('us', ['us-east-1'])];

export const [R1, R2, R3] = ['1', '2', '3'].map((digit) => digit.repeat(40)) as [string, string, string];

/** Returns a commit with these policies for the clusters eu and us. */
export const commitOf = (revision: string, ...policies: readonly SourceFile[]): Desired => desiredOf(revision, [...CLUSTERS, ...policies]);

/** Commit with the policies finance and hr, in namespaces of the same names. */
export const FIRST: Desired = commitOf(R1, policyFile('finance'), policyFile('hr'));
export const NAMESPACES: readonly string[] = ['finance', 'hr'];

/**
 * Starts a hub with a commit, and the cluster eu, which has accepted it. All of it is in force,
 * unless `seen` differs.
 */
export const startFleet = async (commit = FIRST, seen: Partial<Sight> = {}, fleet = new ReportingFleet()) => {
  await fleet.hub.commit(commit);
  const eu = await fleet.start('eu', { ...acceptedIn(commit, 'eu'), namespaces: NAMESPACES, ...seen });
  return { fleet, eu, shown: fleet.shown, [Symbol.dispose]: () => fleet[Symbol.dispose]() };
};
