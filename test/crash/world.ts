import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { CompiledCluster } from '@fso/shared/compile';
import { openGitRepository } from '../../clusters/demo/git-repository.ts';
import { startGitServer } from '../../clusters/demo/git-server.ts';
import { createHubProcess, type HubProcess } from '../harness/hub-process.ts';
import { clusterFile } from '../harness/policy-files.ts';
import { startPostgres, type TestPostgres } from '../harness/postgres.ts';
import { createCommits } from '../simulated-fleet/commits.ts';
import { POLICY_FILES } from './cluster-model.ts';

export interface World {
  /** Hub, which is not started yet. */
  readonly hub: HubProcess;
  /** Data folder of the hub. */
  readonly dataDir: string;
  readonly postgres: TestPostgres | undefined;
  /** Static tokens of agents, by cluster. */
  readonly tokens: ReadonlyMap<string, string>;
  /** Commit in the repository, which every cluster has accepted. */
  readonly revision: string;
  /** Part of that commit for each cluster. */
  readonly compiled: ReadonlyMap<string, CompiledCluster>;
  stop(): Promise<void>;
}

/** Opens a repository, a database and a hub whose agents connect over TLS. */
export const openWorld = async (
  database: 'embedded' | 'postgres',
  { clusters, apiToken }: { clusters: readonly string[]; apiToken: string },
): Promise<World> => {
  const folder = await mkdtemp(join(tmpdir(), 'fso-crash-'));
  const git = await startGitServer({ root: join(folder, 'repositories') });
  await git.create('policies.git');
  const repository = await openGitRepository(join(folder, 'work'), git.url('policies.git'));
  const files = {
    ...Object.fromEntries(clusters.map((name) => [`clusters/${name}.yaml`, clusterFile(name, ['eu-west-1'])])),
    ...POLICY_FILES,
  };
  const revision = await repository.commit(files, 'first');
  const postgres = database === 'postgres' ? await startPostgres() : undefined;
  const tokens = new Map(clusters.map((name) => [name, `token-of-${name}-0123456789`]));
  const server: Record<string, string> = postgres === undefined ? {} : { DATABASE_URL: await postgres.createDatabase() };
  const env = { ...server, FSO_API_TOKEN: apiToken, FSO_AGENT_TLS: 'on' };
  const hub = await createHubProcess({ name: 'hub', folder: join(folder, 'hub'), gitUrl: git.url('policies.git'), tokens, env });
  const stop = async (): Promise<void> => {
    await hub.stop();
    await postgres?.stop();
    await git.stop();
    await rm(folder, { recursive: true, force: true });
  };
  return { hub, dataDir: join(folder, 'hub', 'data'), postgres, tokens, revision, compiled: createCommits().compile(files), stop };
};
