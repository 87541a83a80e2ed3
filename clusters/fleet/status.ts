import { type Conditions, hasCondition, isEnforcing, openApi, type SetupApi } from '../local/api.ts';
import { type AnyClusterState, clusterPaths, readAnyState } from '../local/state.ts';

/** State of one cluster of the fleet, as `npm run fleet -- status` prints it. */
export interface ClusterStatus {
  readonly name: string;
  readonly provider: string;
  readonly state: 'up' | 'not answering' | 'down';
  readonly server: string;
  readonly kubernetes: string;
  readonly gatekeeper: 'ready' | 'not ready' | 'not installed' | 'unknown';
  /** Ready nodes by region. */
  readonly nodes: Readonly<Record<string, number>>;
  readonly kubeconfig: string;
  /** Reason why the cluster does not respond. */
  readonly error?: string;
}

const TIMEOUT_MS = 20_000;

interface Node extends Conditions {
  readonly metadata: { readonly labels?: Readonly<Record<string, string>> };
}

function byRegion(nodes: readonly Node[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const node of nodes.filter((each) => hasCondition(each, 'Ready'))) {
    const region = node.metadata.labels?.['topology.kubernetes.io/region'];
    if (region) counts[region] = (counts[region] ?? 0) + 1;
  }
  return counts;
}

async function gatekeeperState(api: SetupApi, state: AnyClusterState): Promise<ClusterStatus['gatekeeper']> {
  if (!state.gatekeeper) return 'not installed';
  return (await isEnforcing(api).catch(() => false)) ? 'ready' : 'not ready';
}

async function askCluster(name: string, state: AnyClusterState, kubeconfig: string): Promise<ClusterStatus> {
  const base = { name, provider: state.provider, kubeconfig };
  let api: SetupApi | undefined;
  try {
    api = openApi(kubeconfig, { timeoutMs: TIMEOUT_MS });
    const { gitVersion } = await api.send<{ gitVersion: string }>('GET', '/version');
    const { items } = await api.send<{ items: Node[] }>('GET', '/api/v1/nodes');
    const gatekeeper = await gatekeeperState(api, state);
    return { ...base, state: 'up', server: api.server, kubernetes: gitVersion, gatekeeper, nodes: byRegion(items) };
  } catch (error) {
    const reason = (error as Error).message;
    return { ...base, state: 'not answering', server: api?.server ?? '', kubernetes: '', gatekeeper: 'unknown', nodes: {}, error: reason };
  } finally {
    api?.close();
  }
}

/** Returns the current status of each cluster; `down` for those that were never started. */
export function fleetStatus(stateDir: string, names: readonly string[]): Promise<ClusterStatus[]> {
  return Promise.all(
    names.map(async (name): Promise<ClusterStatus> => {
      const paths = clusterPaths(stateDir, name);
      const state = readAnyState(paths);
      if (state) return askCluster(name, state, paths.kubeconfig);
      return { name, provider: '', state: 'down', server: '', kubernetes: '', gatekeeper: 'unknown', nodes: {}, kubeconfig: '' };
    }),
  );
}

const HEADER = ['CLUSTER', 'PROVIDER', 'STATE', 'API SERVER', 'KUBERNETES', 'GATEKEEPER', 'NODES', 'KUBECONFIG'];

/** Formats the state of the development clusters as a table. Pure. */
export function renderStatus(clusters: readonly ClusterStatus[]): string {
  const rows = clusters.map((cluster) => [
    cluster.name,
    cluster.provider,
    cluster.state,
    cluster.server,
    cluster.kubernetes,
    cluster.state === 'up' ? cluster.gatekeeper : '',
    Object.entries(cluster.nodes)
      .map(([region, count]) => `${region}:${count}`)
      .join(' '),
    cluster.kubeconfig,
  ]);
  const table = [HEADER, ...rows].map((row) => row.map((cell) => cell || '-'));
  const widths = HEADER.map((_, column) => Math.max(...table.map((row) => row[column]?.length ?? 0)));
  const lines = table.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  );
  const errors = clusters.flatMap(({ name, error }) => (error ? [`${name} does not answer: ${error}`] : []));
  return [...lines, ...errors].join('\n');
}
