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

/**
 * A hub as a process, which can be killed, with two policies and one cluster with a simulated
 * agent.
 */
export interface SmallHub {
  readonly hub: HubProcess;
  readonly repository: GitRepository;
  readonly agent: SimulatedAgent;
  stop(): Promise<void>;
}

const CLUSTER = 'home';
/** Namespace of its first policy, which exists in the simulated cluster. */
export const NAMESPACE = 'payments-api';
export const POLICY = 'payments';

const policyText = (name: string, namespace: string): string =>
  `apiVersion: compliance.federated.io/v1\nkind: SovereignPolicy\nmetadata:\n  name: ${name}\nspec:\n  targetNamespace: ${namespace}\n  allowedRegions: [eu-west-1]\n`;

const FILES = {
  [`clusters/${CLUSTER}.yaml`]: clusterFile(CLUSTER, ['eu-west-1']),
  [`policies/${POLICY}.yaml`]: policyText(POLICY, NAMESPACE),
  'policies/ledger.yaml': policyText('ledger', 'ledger-api'),
};

/** @param apiToken absent: the hub runs without authentication */
export const openSmallHub = async (apiToken?: string): Promise<SmallHub> => {
  const folder = await mkdtemp(join(tmpdir(), 'fso-small-'));
  const git = await startGitServer({ root: join(folder, 'repositories') });
  await git.create('policies.git');
  const repository = await openGitRepository(join(folder, 'work'), git.url('policies.git'));
  const first = await repository.commit(FILES, 'Govern payments and ledger');
  const commits = createCommits();
  commits.add(first, commits.compile(FILES));
  const token = `token-of-${CLUSTER}-0123456789`;
  const env = { FSO_GIT_POLL_MS: '500', ...(apiToken === undefined ? {} : { FSO_API_TOKEN: apiToken }) };
  const tokens = new Map([[CLUSTER, token]]);
  const hub = await createHubProcess({ name: 'hub', folder: join(folder, 'hub'), gitUrl: git.url('policies.git'), tokens, env });
  const cluster = { name: CLUSTER, cell: 0, geo: geoOfCell(0), regions: ['eu-west-1'] };
  const agent = new SimulatedAgent({
    agentUrl: hub.agentUrl,
    token,
    life: new ClusterLife({ cluster, trouble: undefined, random: createRandom(1), now: new Date() }),
    holds: first,
    compiled: (revision) => commits.compiled(revision, CLUSTER),
    refuses: () => undefined,
  });
  const stop = async (): Promise<void> => {
    await agent.disconnect();
    await hub.stop();
    await git.stop();
    await rm(folder, { recursive: true, force: true });
  };
  try {
    await hub.start();
    await agent.connect();
  } catch (error) {
    await stop();
    throw error;
  }
  return { hub, repository, agent, stop };
};
