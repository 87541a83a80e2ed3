import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type GitRepository, openGitRepository } from '../../clusters/demo/git-repository.ts';
import { startGitServer } from '../../clusters/demo/git-server.ts';
import { until } from '../../clusters/demo/programs.ts';
import { createHubClient, type HubClient } from '../../hub/cli/client/api-client.ts';
import { createHubProcess, type HubProcess } from '../harness/hub-process.ts';
import { createRandom } from '../harness/random.ts';
import { ClusterLife } from './cluster-life.ts';
import type { Trouble } from './cluster-locks.ts';
import { createCommits } from './commits.ts';
import { makeFleetFiles, policyFile } from './fleet-files.ts';
import { CELLS, nameOfCell } from './geography.ts';
import { SimulatedAgent } from './simulated-agent.ts';

/**
 * Hub with a thousand policies and five hundred clusters with simulated agents. The same seed
 * produces the same world.
 */
export interface SimulatedWorld {
  readonly hub: HubProcess;
  readonly client: HubClient;
  readonly repository: GitRepository;
  /** Agents by cluster; clusters that never connected have none. */
  readonly agents: ReadonlyMap<string, SimulatedAgent>;
  /** Paths and contents of the commit in force. */
  readonly files: Readonly<Record<string, string>>;
  /**
   * Commits changes of valid files, and waits until every connected cluster that does not refuse
   * has them. Then commits the refused change again on top.
   *
   * @returns the commit id
   */
  commit(files: Readonly<Record<string, string>>, message: string): Promise<string>;
  stop(): Promise<void>;
}

export interface SimulatedWorldOptions {
  readonly seed?: number;
  /** Further settings of the hub. */
  readonly env?: Readonly<Record<string, string>>;
  readonly apiToken?: string;
  /** Port of the hub; default: a free one. */
  readonly port?: number | undefined;
  /** Parent of its folder; default: the system's folder for temporary files. */
  readonly parent?: string;
  readonly log?: (line: string) => void;
}

/** Token that the agent of a cluster presents to the hub. */
const tokenOf = (cluster: string): string => `token-of-${cluster}-0123456789`;

const AT_ONCE = 25;
/**
 * Cells of unconnected clusters: those of the last one have never connected, those of the cell
 * before it are disconnected.
 */
const NEVER_SEEN = CELLS - 1;
const GONE = CELLS - 2;
const REFUSING = 170;

const troubleOf = (index: number): Trouble => {
  if (index % 97 === 5) return 'tampered';
  if (index % 83 === 7) return 'noGatekeeper';
  if (index % 71 === 11) return 'lockOneFails';
  return index % 61 === 13 ? 'unproven' : undefined;
};

const inGroups = async <T>(items: readonly T[], act: (item: T) => Promise<void>): Promise<void> => {
  const queue = [...items];
  const work = async (): Promise<void> => {
    for (let item = queue.shift(); item !== undefined; item = queue.shift()) await act(item);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
};

const BROKEN_PATH = 'policies/telemetry/typo.yaml';

/** @returns the text of a document that makes the hub refuse its commit */
const makeCommits = async ({ commit, files }: Pick<SimulatedWorld, 'commit' | 'files'>, random: () => number): Promise<string> => {
  const edited = Object.keys(files).filter((path) => path.startsWith(`policies/claims/`) && path.includes('-eu-'));
  const described = edited.map((path) => [
    path,
    (files[path] ?? '').replace(/description: .*/, 'description: Claims of the EU are handled there.'),
  ]);
  await commit(Object.fromEntries(described), 'Say why claims stay in the EU');
  const name = `telemetry-api-${nameOfCell(0)}`;
  const telemetry = policyFile(
    {
      name,
      targetNamespace: 'payments-api',
      allowedRegions: ['group:eu'],
      placement: { clusterSelector: { matchLabels: { cell: nameOfCell(0) } } },
    },
    random,
    new Date(),
  );
  await commit({ [`policies/telemetry/${name}.yaml`]: telemetry }, 'Telemetry of payments stays in the EU');
  return telemetry.replace('group:eu', 'group:europe');
};

const allReach = async (agents: readonly SimulatedAgent[], revision: string): Promise<void> => {
  const everyOne = async (): Promise<true | undefined> => agents.every((agent) => agent.revision === revision) || undefined;
  await until(`the fleet has ${revision}`, everyOne, new AbortController().signal);
};

/** Opens a simulated world. Resolves when all its parts run and all clusters have reported. */
export const openSimulatedWorld = async (options: SimulatedWorldOptions = {}): Promise<SimulatedWorld> => {
  const { seed = 1, env = {}, apiToken, port, parent = tmpdir(), log = () => undefined } = options;
  const now = new Date();
  const random = createRandom(seed);
  const { clusters, files } = makeFleetFiles(random, now);
  const commits = createCommits();
  const folder = await mkdtemp(join(parent, 'fso-seeded-'));
  const git = await startGitServer({ root: join(folder, 'repositories') });
  await git.create('policies.git');
  const repository = await openGitRepository(join(folder, 'work'), git.url('policies.git'));
  const tokens = new Map(clusters.map(({ name }) => [name, tokenOf(name)]));
  const settings = { FSO_GIT_POLL_MS: '500', ...(apiToken === undefined ? {} : { FSO_API_TOKEN: apiToken }), ...env };
  const gitUrl = git.url('policies.git');
  const hub = await createHubProcess({ name: 'hub', folder: join(folder, 'hub'), gitUrl, tokens, env: settings, port });
  const client = createHubClient({ server: hub.url, token: apiToken });
  const agents = new Map<string, SimulatedAgent>();
  const refusing = new Set<string>();
  let current = { ...files };

  let broken: string | undefined;
  const breakHead = async (): Promise<void> => {
    if (broken !== undefined) await repository.commit({ [BROKEN_PATH]: broken }, 'Telemetry, now for all of Europe');
  };
  const commit: SimulatedWorld['commit'] = async (changes, message) => {
    const next = { ...current, ...changes };
    const fleet = commits.compile(next);
    const revision = await repository.commit(broken === undefined ? changes : { ...changes, [BROKEN_PATH]: null }, message);
    commits.add(revision, fleet);
    current = next;
    const willing = [...agents.values()].filter(({ cluster, connected }) => connected && !refusing.has(cluster));
    await allReach(willing, revision);
    await breakHead();
    return revision;
  };
  const stop = async (): Promise<void> => {
    await Promise.all([...agents.values()].map((agent) => agent.disconnect()));
    await hub.stop();
    await git.stop();
    await rm(folder, { recursive: true, force: true });
  };
  const agentOf = (life: ClusterLife, first: string): SimulatedAgent =>
    new SimulatedAgent({
      agentUrl: hub.agentUrl,
      token: tokenOf(life.name),
      life,
      holds: first,
      compiled: (revision) => commits.compiled(revision, life.name),
      refuses: () => (refusing.has(life.name) ? 'the commit is signed by a key that this cluster does not know' : undefined),
    });

  const world: SimulatedWorld = {
    ...{ hub, client, repository, agents, commit, stop },
    get files() {
      return current;
    },
  };
  try {
    const first = await commit(files, 'Register the clusters and govern them');
    log(`${Object.keys(files).length} files are committed`);
    await hub.start();
    log('the hub runs');
    for (const [index, cluster] of clusters.filter(({ cell }) => cell !== NEVER_SEEN).entries()) {
      const life = new ClusterLife({ cluster, trouble: troubleOf(index), random: createRandom(seed * 1000 + index), now });
      agents.set(cluster.name, agentOf(life, first));
      if (index % REFUSING === 42) refusing.add(cluster.name);
    }
    await inGroups([...agents.values()], (agent) => agent.connect());
    log(`${agents.size} agents have reported`);
    await Promise.all(clusters.flatMap(({ name, cell }) => (cell === GONE ? agents.get(name)?.disconnect() : [])));
    broken = await makeCommits(world, random);
    await breakHead();
    const isRefused = async (): Promise<true | undefined> => (await client.source()).rejected !== null || undefined;
    await until('the hub refuses the last commit', isRefused, new AbortController().signal);
    log('commits are through');
    return world;
  } catch (error) {
    await stop();
    throw error;
  }
};
