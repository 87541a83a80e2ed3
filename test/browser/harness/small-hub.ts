import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type GitRepository, openGitRepository } from '../../../clusters/demo/git-repository.ts';
import { startGitServer } from '../../../clusters/demo/git-server.ts';
import { createHubProcess, type HubProcess } from '../../harness/hub-process.ts';
import { clusterFile } from '../../harness/policy-files.ts';
import { createRandom } from '../../harness/random.ts';
import { ClusterLife } from '../../simulated-fleet/cluster-life.ts';
import { createCommits } from '../../simulated-fleet/commits.ts';
import { geoOfCell } from '../../simulated-fleet/geography.ts';
import { SimulatedAgent } from '../../simulated-fleet/simulated-agent.ts';

type Files = Readonly<Record<string, string>>;

/** A hub as a process, which can be killed, and a simulated agent for each cluster. */
export interface SmallFleet {
  readonly hub: HubProcess;
  readonly repository: GitRepository;
  /** Agents by cluster. */
  readonly agents: ReadonlyMap<string, SimulatedAgent>;
  /** Changes files, and lets agents know what they get. @returns the commit id */
  commit(changes: Files, message: string): Promise<string>;
  stop(): Promise<void>;
}

/** A small fleet with two policies and one cluster. */
export interface SmallHub extends Pick<SmallFleet, 'hub' | 'repository' | 'stop'> {
  readonly agent: SimulatedAgent;
}

const CLUSTER = 'home';
/** Namespace of its first policy, which exists in the simulated clusters. */
export const NAMESPACE = 'payments-api';
export const POLICY = 'payments';
/** Region of the pods that a simulated cluster adds as violations. */
export const OUTSIDE: string = geoOfCell(0).outside;

export const policyText = (name: string, namespace: string, regions = 'eu-west-1'): string =>
  `apiVersion: compliance.federated.io/v1\nkind: SovereignPolicy\nmetadata:\n  name: ${name}\nspec:\n  targetNamespace: ${namespace}\n  allowedRegions: [${regions}]\n`;

const FILES = {
  [`clusters/${CLUSTER}.yaml`]: clusterFile(CLUSTER, ['eu-west-1']),
  [`policies/${POLICY}.yaml`]: policyText(POLICY, NAMESPACE),
  'policies/ledger.yaml': policyText('ledger', 'ledger-api'),
};

/**
 * @param clusters names, which the files register
 * @param apiToken absent: the hub runs without authentication
 */
export const openSmallFleet = async (clusters: readonly string[], files: Files, apiToken?: string): Promise<SmallFleet> => {
  const folder = await mkdtemp(join(tmpdir(), 'fso-small-'));
  const git = await startGitServer({ root: join(folder, 'repositories') });
  await git.create('policies.git');
  const repository = await openGitRepository(join(folder, 'work'), git.url('policies.git'));
  const commits = createCommits();
  let current: Files = {};
  const commit: SmallFleet['commit'] = async (changes, message) => {
    current = { ...current, ...changes };
    const revision = await repository.commit(changes, message);
    commits.add(revision, commits.compile(current));
    return revision;
  };
  const first = await commit(files, 'Govern payments and ledger');
  const tokens = new Map(clusters.map((name) => [name, `token-of-${name}-0123456789`]));
  const env = { FSO_GIT_POLL_MS: '500', ...(apiToken === undefined ? {} : { FSO_API_TOKEN: apiToken }) };
  const hub = await createHubProcess({ name: 'hub', folder: join(folder, 'hub'), gitUrl: git.url('policies.git'), tokens, env });
  const agents = new Map(
    [...tokens].map(([name, token], at) => {
      const cluster = { name, cell: 0, geo: geoOfCell(0), regions: ['eu-west-1'] };
      const life = new ClusterLife({ cluster, trouble: undefined, random: createRandom(at + 1), now: new Date() });
      const compiled = (revision: string) => commits.compiled(revision, name);
      return [name, new SimulatedAgent({ agentUrl: hub.agentUrl, token, life, holds: first, compiled, refuses: () => undefined })];
    }),
  );
  const stop = async (): Promise<void> => {
    await Promise.all([...agents.values()].map((agent) => agent.disconnect()));
    await hub.stop();
    await git.stop();
    await rm(folder, { recursive: true, force: true });
  };
  try {
    await hub.start();
    await Promise.all([...agents.values()].map((agent) => agent.connect()));
  } catch (error) {
    await stop();
    throw error;
  }
  return { hub, repository, agents, commit, stop };
};

/** @param apiToken absent: the hub runs without authentication */
export const openSmallHub = async (apiToken?: string): Promise<SmallHub> => {
  const { agents, ...fleet } = await openSmallFleet([CLUSTER], FILES, apiToken);
  const agent = agents.get(CLUSTER);
  if (agent === undefined) throw new Error(`no agent of ${CLUSTER}`);
  return { ...fleet, agent };
};
