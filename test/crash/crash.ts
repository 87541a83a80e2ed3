import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openGitRepository } from '../../clusters/demo/git-repository.ts';
import { startGitServer } from '../../clusters/demo/git-server.ts';
import { createHubClient, type HubClient } from '../../hub/cli/api-client.ts';
import { verifyAudit } from '../../hub/ledger/audit/verify.ts';
import { createHubProcess, type HubProcess } from '../support/hub-process.ts';
import { clusterFile, policyFile } from '../support/policy-files.ts';
import { startPostgres, type TestPostgres } from '../support/postgres.ts';
import { counterOf, createSimulatedAgent, type SimulatedAgent } from './simulated-agent.ts';

export interface CrashOptions {
  readonly database: 'embedded' | 'postgres';
  readonly kills: number;
  readonly seed: number;
  readonly log: (line: string) => void;
}

export interface CrashResult {
  readonly hubKills: number;
  readonly serverKills: number;
  /** Acknowledged, over all kills. */
  readonly reports: number;
  readonly events: number;
  readonly auditEntries: number;
}

const CLUSTERS = ['eu', 'us', 'apac', 'africa'];
const POLICIES = 25;
const WEBHOOK_MS = 150;
/** Every so many kills it is the database server that dies; the hub must live through that. */
const SERVER_EVERY = 4;

const delay = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** mulberry32: the same seed kills at the same points in time. */
const createRandom = (seed: number): (() => number) => {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
};

/** Webhooks, each of which the hub has in its audit log once it has answered. */
const createWebhooks = (url: string) => {
  const acknowledged = new Set<string>();
  let wanted = false;
  let running: Promise<void> = Promise.resolve();
  const send = async (): Promise<void> => {
    const id = randomUUID();
    const answer = await fetch(`${url}/api/v1/webhooks/git`, {
      method: 'POST',
      headers: { 'X-Request-Id': id },
      signal: AbortSignal.timeout(10_000),
    }).catch(() => undefined);
    if (answer?.status === 202) acknowledged.add(id);
  };
  return {
    acknowledged,
    run: (): void => {
      wanted = true;
      running = (async () => {
        while (wanted) {
          await send();
          await delay(WEBHOOK_MS);
        }
      })();
    },
    pause: async (): Promise<void> => {
      wanted = false;
      await running;
    },
  };
};

const policyLosses = async (hub: HubClient, agents: readonly SimulatedAgent[]): Promise<string[]> => {
  const known = new Map<string, number>();
  for (const policy of await hub.policies())
    for (const { cluster, report } of policy.clusters)
      if (report !== null) known.set(`${cluster} ${policy.namespace}/${policy.name}`, counterOf(report));
  return agents.flatMap(({ cluster, acknowledged }) =>
    [...acknowledged].flatMap(([key, counter]) => {
      const is = known.get(`${cluster} ${key}`) ?? -1;
      return is >= counter ? [] : [`policy ${key} of ${cluster} is at ${is}, acknowledged was ${counter}`];
    }),
  );
};

const eventLosses = async (url: string, agents: readonly SimulatedAgent[]): Promise<string[]> => {
  const missing = new Set(agents.flatMap(({ events }) => [...events]));
  let cursor = '';
  do {
    const answer = await fetch(`${url}/api/v1/events?limit=500${cursor}`);
    const page = (await answer.json()) as { items: { message: string }[]; next: string | null };
    for (const { message } of page.items) missing.delete(message);
    cursor = page.next === null ? '' : `&cursor=${page.next}`;
  } while (cursor !== '' && missing.size > 0);
  return [...missing].map((message) => `event "${message}" was acknowledged and is lost`);
};

const auditLosses = async (hub: HubClient, acknowledged: ReadonlySet<string>): Promise<string[]> => {
  const missing = new Set(acknowledged);
  const proofs = await hub.auditProofs();
  const entries = async function* () {
    for await (const entry of hub.wholeAudit()) {
      missing.delete(String(entry.detail['requestId']));
      yield entry;
    }
  };
  const verified = await verifyAudit(entries(), proofs);
  return [
    ...verified.problems.map(({ message }) => message),
    ...[...missing].map((id) => `the audit entry of request ${id} was acknowledged and is lost`),
  ];
};

const startWorld = async ({ database }: CrashOptions) => {
  const folder = await mkdtemp(join(tmpdir(), 'fso-crash-'));
  const git = await startGitServer({ root: join(folder, 'repositories') });
  await git.create('policies.git');
  const repository = await openGitRepository(join(folder, 'work'), git.url('policies.git'));
  await repository.commit(
    {
      ...Object.fromEntries(CLUSTERS.map((name) => [`clusters/${name}.yaml`, clusterFile(name, ['eu-west-1'])])),
      'policies/finance.yaml': policyFile('finance'),
    },
    'first',
  );
  const postgres = database === 'postgres' ? await startPostgres() : undefined;
  const tokens = new Map(CLUSTERS.map((name) => [name, `token-of-${name}-0123456789`]));
  const env: Record<string, string> = postgres === undefined ? {} : { DATABASE_URL: await postgres.createDatabase() };
  const hub = await createHubProcess({ name: 'hub', folder: join(folder, 'hub'), gitUrl: git.url('policies.git'), tokens, env });
  const stop = async (): Promise<void> => {
    await hub.stop();
    await postgres?.stop();
    await git.stop();
    await rm(folder, { recursive: true, force: true });
  };
  return { hub, postgres, tokens, stop };
};

/** The hub is not ready while it cannot write, and is again when the server is back. */
const untilReady = async (hub: HubProcess): Promise<void> => {
  const end = Date.now() + 60_000;
  for (;;) {
    const answer = await fetch(`${hub.url}/readyz`).catch(() => undefined);
    if (answer?.ok) return;
    if (Date.now() > end) throw new Error(`the hub is not ready: ${await answer?.text()}\n${hub.lastLines()}`);
    await delay(50);
  }
};

/**
 * Kills a hub with -9 again and again, at random moments under load, and each time looks for everything that it had acknowledged.
 *
 * @throws Error that names what was lost
 */
export const crash = async (options: CrashOptions): Promise<CrashResult> => {
  const { kills, seed, log } = options;
  const random = createRandom(seed);
  const world = await startWorld(options);
  const { hub, postgres, tokens } = world;
  const agents = CLUSTERS.map((cluster) =>
    createSimulatedAgent({ agentUrl: hub.agentUrl, cluster, token: tokens.get(cluster) ?? '', policies: POLICIES, random }),
  );
  const webhooks = createWebhooks(hub.url);
  const client = createHubClient({ server: hub.url });
  const load = [...agents, webhooks];
  let serverKills = 0;

  const killSomething = async (round: number): Promise<void> => {
    if (postgres?.kill !== undefined && round % SERVER_EVERY === 0) {
      serverKills += 1;
      await killServer(postgres);
      return;
    }
    await hub.kill();
    await Promise.all(load.map((one) => one.pause()));
    await hub.start();
  };
  const killServer = async (server: TestPostgres): Promise<void> => {
    await server.kill?.();
    await delay(random() * 500);
    await server.start?.();
    await untilReady(hub);
    await Promise.all(load.map((one) => one.pause()));
  };
  const check = async (round: number): Promise<void> => {
    await untilReady(hub);
    const losses = [
      ...(await policyLosses(client, agents)),
      ...(await eventLosses(hub.url, agents)),
      ...(await auditLosses(client, webhooks.acknowledged)),
      ...agents.flatMap(({ cluster, forks }) => forks.map((fork) => `${cluster}: ${fork}`)),
    ];
    if (losses.length > 0) throw new Error(`after kill ${round} (seed ${seed}):\n${losses.slice(0, 20).join('\n')}`);
  };

  try {
    await hub.start();
    for (let round = 1; round <= kills; round += 1) {
      for (const one of load) one.run();
      await delay(100 + random() * 1_200);
      await killSomething(round);
      await check(round);
      if (round % 10 === 0 || round === kills)
        log(`${round} kills, ${agents.reduce((sum, { reports }) => sum + reports, 0)} reports, nothing lost`);
    }
    return {
      hubKills: kills - serverKills,
      serverKills,
      reports: agents.reduce((sum, { reports }) => sum + reports, 0),
      events: agents.reduce((sum, { events }) => sum + events.size, 0),
      auditEntries: webhooks.acknowledged.size,
    };
  } finally {
    await Promise.all(load.map((one) => one.pause()));
    await world.stop();
  }
};
