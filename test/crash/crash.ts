import { join } from 'node:path';
import { createHubClient } from '../../hub/cli/client/api-client.ts';
import { caOf } from '../harness/enrolment-client.ts';
import type { HubProcess } from '../harness/hub-process.ts';
import type { TestPostgres } from '../harness/postgres.ts';
import { createRandom } from '../harness/random.ts';
import { HANG_MS } from '../harness/waiting.ts';
import { createApiCalls } from './api-calls.ts';
import { createEnrolmentLoad, type EnrolmentCounts } from './enrolments.ts';
import { createLoad, delay } from './load.ts';
import { auditLosses, eventLosses, fileDamage, policyLosses } from './losses.ts';
import { createSimulatedAgent, type SimulatedAgent } from './simulated-agent.ts';
import { openWorld, type World } from './world.ts';

export interface CrashOptions {
  readonly database: 'embedded' | 'postgres';
  readonly kills: number;
  readonly seed: number;
  readonly log: (line: string) => void;
}

/** Number of kills, and of the operations acknowledged in all of them. */
export interface CrashResult extends EnrolmentCounts {
  readonly hubKills: number;
  readonly serverKills: number;
  readonly agentKills: number;
  readonly reports: number;
  readonly events: number;
  readonly auditEntries: number;
}

const CLUSTERS = ['eu', 'us', 'apac', 'africa'];
/** Clusters that are not in the repository, since a cluster may enrol before it is registered. */
const ENROLLING = Array.from({ length: 6 }, (_, index) => `site-${index}`);
const API_TOKEN = 'api-token-0123456789';
const WEBHOOK_MS = 150;
/** Number of hub kills per kill of the database server, which the hub must survive. */
const SERVER_EVERY = 4;

/**
 * Waits until the hub is ready. It is not while it cannot write, and is again once the database is
 * back.
 */
const untilReady = async (hub: HubProcess): Promise<void> => {
  const end = Date.now() + HANG_MS;
  for (;;) {
    const answer = await fetch(`${hub.url}/readyz`).catch(() => undefined);
    if (answer?.ok) return;
    if (Date.now() > end) throw new Error(`the hub is not ready: ${await answer?.text()}\n${hub.lastLines()}`);
    await delay(50);
  }
};

/**
 * Waits until the hub shows policies. After each restart it must still know the commit that
 * clusters have accepted, before it reads Git.
 */
const untilDesired = async ({ hub }: World): Promise<void> => {
  const client = createHubClient({ server: hub.url, token: API_TOKEN });
  const end = Date.now() + HANG_MS;
  while ((await client.policies()).length === 0) {
    if (Date.now() > end) throw new Error(`the hub has no revision\n${hub.lastLines()}`);
    await delay(50);
  }
};

/**
 * Creates the load on the hub, which records what the hub has acknowledged. The hub must be
 * running, since it creates its CA.
 */
const createWork = ({ hub, dataDir, tokens, revision, compiled, postgres }: World, random: () => number) => {
  const ca = caOf(dataDir);
  const { url, agentUrl } = hub;
  const calls = createApiCalls(url, API_TOKEN);
  const client = createHubClient({ server: url, token: API_TOKEN });
  const agents = [...compiled].map(([cluster, list]) =>
    createSimulatedAgent({ agentUrl, cluster, token: tokens.get(cluster) ?? '', ca, revision, compiled: list, random }),
  );
  const webhooks = createLoad(() => calls.post('/api/v1/webhooks/git'), WEBHOOK_MS);
  const enrolments = createEnrolmentLoad({ agentUrl, ca, clusters: ENROLLING, calls, random });
  const load = [...agents, webhooks, enrolments];
  return {
    agents,
    run: (): void => {
      for (const one of load) one.run();
    },
    pause: async (): Promise<void> => {
      await Promise.all(load.map((one) => one.pause()));
    },
    losses: async (): Promise<string[]> => [
      ...(await policyLosses(client, agents)),
      ...(await eventLosses(url, API_TOKEN, agents)),
      ...(await auditLosses(client, { requests: calls.acknowledged, agents: enrolments.audited })),
      ...enrolments.losses(await client.enrolments()),
      ...(postgres === undefined ? fileDamage(join(dataDir, 'ledger', 'ledger.db')) : []),
      ...agents.flatMap(({ cluster, forks }) => forks.map((fork) => `${cluster}: ${fork}`)),
    ],
    counts: () => ({
      ...enrolments.counts,
      reports: agents.reduce((sum, { reports }) => sum + reports, 0),
      events: agents.reduce((sum, { events }) => sum + events.size, 0),
      auditEntries: calls.acknowledged.size + enrolments.audited.size,
    }),
  };
};

/** Waits for another enrolment. On a busy machine a kill might otherwise precede the first one. */
const untilEnrolled = async (enrolments: () => number): Promise<void> => {
  const [before, end] = [enrolments(), Date.now() + HANG_MS];
  while (enrolments() === before) {
    if (Date.now() > end) throw new Error('nobody could enrol for three minutes');
    await delay(20);
  }
};

/**
 * Kills an agent under load. Some restart at once. Of the others the hub must know the last state
 * without another report.
 */
const killAgent = async (agents: readonly SimulatedAgent[], random: () => number): Promise<void> => {
  const agent = agents[Math.floor(random() * agents.length)];
  await agent?.die();
  await delay(random() * 200);
  if (random() < 0.5) agent?.run();
  await delay(random() * 200);
};

/**
 * Repeatedly kills a hub and agents with -9 at random moments under load, and checks after each
 * kill that nothing that the hub had acknowledged is lost.
 *
 * @throws Error with what was lost
 */
export const crash = async ({ database, kills, seed, log }: CrashOptions): Promise<CrashResult> => {
  const random = createRandom(seed);
  const world = await openWorld(database, { clusters: CLUSTERS, apiToken: API_TOKEN });
  const { hub, postgres } = world;
  let work: ReturnType<typeof createWork> | undefined;
  let serverKills = 0;
  let agentKills = 0;

  const killServer = async (server: TestPostgres): Promise<void> => {
    serverKills += 1;
    await server.kill?.();
    await delay(random() * 500);
    await server.start?.();
    await untilReady(hub);
    await work?.pause();
  };
  const killHub = async (): Promise<void> => {
    await hub.kill();
    await work?.pause();
    await hub.start();
  };
  const killSomething = async (round: number, { agents, counts }: ReturnType<typeof createWork>): Promise<void> => {
    if (round % 2 === 0) await untilEnrolled(() => counts().enrolments);
    await delay(100 + random() * 1_200);
    if (random() < 0.5) {
      agentKills += 1;
      await killAgent(agents, random);
    }
    if (postgres?.kill !== undefined && round % SERVER_EVERY === 0) await killServer(postgres);
    else await killHub();
  };

  try {
    await hub.start();
    await untilDesired(world);
    work = createWork(world, random);
    for (let round = 1; round <= kills; round += 1) {
      work.run();
      await killSomething(round, work);
      await untilReady(hub);
      const losses = await work.losses();
      if (losses.length > 0) throw new Error(`after kill ${round} (seed ${seed}):\n${losses.slice(0, 20).join('\n')}`);
      if (round % 10 === 0 || round === kills) log(`${round} kills, ${work.counts().reports} reports, nothing lost`);
    }
    return { hubKills: kills - serverKills, serverKills, agentKills, ...work.counts() };
  } finally {
    await work?.pause();
    await world.stop();
  }
};
