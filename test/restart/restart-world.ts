import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type GitRepository, openGitRepository } from '../../clusters/demo/git-repository.ts';
import { startGitServer } from '../../clusters/demo/git-server.ts';
import { startAgentProcess } from '../harness/agent-process.ts';
import { createHubProcess, type HubProcess } from '../harness/hub-process.ts';
import { clusterFile, policyFile } from '../harness/policy-files.ts';
import { eventually } from '../harness/waiting.ts';
import { INJECTED, TEAMS, WATCHED, type Workload } from './generate-workloads.ts';
import { HubAnswers } from './hub-answers.ts';
import { CLUSTERS, INSIDE, OUTSIDE, regionsOf } from './regions.ts';
import { RestartCluster } from './restart-cluster.ts';

const API_TOKEN = 'api-token-0123456789';

const filesOf = (allowed: readonly string[]): Readonly<Record<string, string>> => ({
  ...Object.fromEntries(CLUSTERS.map((name) => [`clusters/${name}.yaml`, clusterFile(name, regionsOf(name))])),
  ...Object.fromEntries(TEAMS.map((name) => [`policies/${name}.yaml`, policyFile(name, allowed)])),
  [`policies/${WATCHED}.yaml`]: `${policyFile(WATCHED, allowed)}  enforcementAction: warn\n`,
  [`policies/${INJECTED}.yaml`]: `${policyFile(INJECTED, allowed)}  placementInjection: true\n`,
});
/** Files after the change: no policy allows the regions outside any more. */
export const CHANGED = filesOf(Object.values(INSIDE));
const BEFORE = filesOf([...Object.values(INSIDE), ...Object.values(OUTSIDE)]);

/** Three control planes with workloads, and a hub that does not govern them yet. */
export interface RestartWorld {
  readonly clusters: readonly RestartCluster[];
  readonly answers: HubAnswers;
  /** Starts the agents; returns once every cluster has proven the policies before the change. */
  govern(): Promise<void>;
  /** Merges the change; returns once every cluster has proven it. */
  merge(): Promise<void>;
}

type CleanUp = (end: () => Promise<unknown>) => void;

const tokenOf = (cluster: string): string => `token-of-${cluster}-0123456789`;

const startHub = async (folder: string, cleanUp: CleanUp): Promise<{ hub: HubProcess; repository: GitRepository }> => {
  const git = await startGitServer({ root: join(folder, 'repositories') });
  cleanUp(() => git.stop());
  await git.create('policies.git');
  const gitUrl = git.url('policies.git');
  const repository = await openGitRepository(join(folder, 'work'), gitUrl);
  await repository.commit(BEFORE, 'policies');
  const tokens = new Map(CLUSTERS.map((name) => [name, tokenOf(name)]));
  const hub = await createHubProcess({ name: 'hub', folder: join(folder, 'hub'), gitUrl, tokens, env: { FSO_API_TOKEN: API_TOKEN } });
  cleanUp(() => hub.stop());
  await hub.start();
  return { hub, repository };
};

const startClusters = (folder: string, workloads: readonly Workload[], cleanUp: CleanUp, signal: AbortSignal) =>
  Promise.all(
    CLUSTERS.map(async (name) => {
      const cluster = await RestartCluster.start(name, { folder, workloads }, signal);
      cleanUp(() => cluster.close());
      await cluster.fill();
      return cluster;
    }),
  );

const openWorld = async (folder: string, workloads: readonly Workload[], cleanUp: CleanUp, signal: AbortSignal): Promise<RestartWorld> => {
  const clusters = await startClusters(folder, workloads, cleanUp, signal);
  const { hub, repository } = await startHub(folder, cleanUp);
  const answers = new HubAnswers(hub.url, API_TOKEN);
  const untilProven = async (revision?: string): Promise<void> => {
    await eventually(async () => {
      const { clusters: counts, source } = await answers.client.status();
      return (revision === undefined || source.revision?.revision === revision) && counts.proven === clusters.length;
    });
  };
  return {
    clusters,
    answers,
    govern: async () => {
      for (const { cluster } of clusters) {
        const env = { FSO_HUB_URL: `${hub.agentUrl}/agent/v1/stream`, FSO_HUB_TOKEN: tokenOf(cluster.name), FSO_PREVIEW: 'names' };
        const agent = await startAgentProcess(cluster, { folder, env });
        cleanUp(() => agent.stop());
      }
      await untilProven();
    },
    merge: async () => untilProven(await repository.commit(CHANGED, 'no regions outside')),
  };
};

/**
 * Opens a world, runs a function with it, and ends everything that was started, even after an
 * error.
 */
export const withRestartWorld = async <T>(workloads: readonly Workload[], use: (world: RestartWorld) => Promise<T>): Promise<T> => {
  const folder = await mkdtemp(join(tmpdir(), 'fso-restart-'));
  const stop = new AbortController();
  const ends: (() => Promise<unknown>)[] = [() => rm(folder, { recursive: true, force: true, maxRetries: 5 })];
  try {
    return await use(await openWorld(folder, workloads, (end) => void ends.unshift(end), stop.signal));
  } finally {
    // A failure does not prevent the next clean-up.
    for (const end of ends) await end().catch((error: unknown) => console.error(error));
    stop.abort();
  }
};
