import { openApi } from '../../../clusters/local/api.ts';
import { clusterPaths, readState } from '../../../clusters/local/state.ts';
import { cpuMsOf } from '../memory-of.ts';

/** Usage of programs and API servers until a moment, or between two. */
export interface Usage {
  /** Milliseconds of performance.now(). */
  readonly at: number;
  /**
   * CPU time in milliseconds by kind of program, in all clusters: hub, agent, apiserver, etcd,
   * gatekeeper …
   */
  readonly cpuMs: ReadonlyMap<string, number>;
  /** Requests that the API servers answered, by verb and resource, in all clusters. */
  readonly requests: ReadonlyMap<string, number>;
}

/** Process ids by kind of program. */
export type Programs = ReadonlyMap<string, readonly number[]>;

/** Returns the processes of the local clusters in a folder, by component. */
export const clusterPrograms = (stateDir: string, clusters: readonly string[]): Programs => {
  const programs = new Map<string, number[]>();
  for (const cluster of clusters) {
    for (const [component, { pid }] of Object.entries(readState(clusterPaths(stateDir, cluster))?.processes ?? {}))
      programs.set(component, [...(programs.get(component) ?? []), pid]);
  }
  return programs;
};

const TOTAL = /^apiserver_request_total\{([^}]*)\} (\S+)$/gm;
const LABEL = /(\w+)="([^"]*)"/g;

const nameOf = (labels: Readonly<Record<string, string>>): string => {
  const { verb = '', resource = '', subresource = '', dry_run: dryRun } = labels;
  const path = subresource === '' ? resource : `${resource}/${subresource}`;
  return `${verb} ${path}${dryRun === 'All' ? ', dry run' : ''}`;
};

/**
 * Sums `apiserver_request_total` by verb and resource. Leaves out watches, which are only counted
 * when they end, and the requests for these metrics.
 *
 * @see https://kubernetes.io/docs/reference/instrumentation/metrics/
 */
export const parseRequests = (metrics: string): ReadonlyMap<string, number> => {
  const requests = new Map<string, number>();
  for (const [, text = '', count] of metrics.matchAll(TOTAL)) {
    const labels = Object.fromEntries([...text.matchAll(LABEL)].map(([, name, value]) => [name, value]));
    if (labels['verb'] === 'WATCH' || labels['resource'] === '') continue;
    const name = nameOf(labels);
    requests.set(name, (requests.get(name) ?? 0) + Number(count));
  }
  return requests;
};

const readRequests = async (kubeconfigs: readonly string[]): Promise<ReadonlyMap<string, number>> => {
  const sum = new Map<string, number>();
  for (const kubeconfig of kubeconfigs) {
    const api = openApi(kubeconfig);
    const text = await api.send<string>('GET', '/metrics');
    api.close();
    for (const [name, count] of parseRequests(text)) sum.set(name, (sum.get(name) ?? 0) + count);
  }
  return sum;
};

export const readUsage = async (programs: Programs, kubeconfigs: readonly string[]): Promise<Usage> => {
  const requests = await readRequests(kubeconfigs);
  const cpuMs = new Map([...programs].map(([name, pids]) => [name, pids.reduce((total, pid) => total + cpuMsOf(pid), 0)]));
  return { at: performance.now(), cpuMs, requests };
};

const subtract = (after: ReadonlyMap<string, number>, before: ReadonlyMap<string, number>, share: number): ReadonlyMap<string, number> =>
  new Map([...after].map(([name, amount]) => [name, amount - share * (before.get(name) ?? 0)]));

/** Returns the usage between two moments. */
export const between = (before: Usage, after: Usage): Usage => ({
  at: after.at - before.at,
  cpuMs: subtract(after.cpuMs, before.cpuMs, 1),
  requests: subtract(after.requests, before.requests, 1),
});

/** Returns the usage beyond that of the fleet at rest. */
export const above = (usage: Usage, idle: Usage): Usage => {
  const share = usage.at / idle.at;
  return { at: usage.at, cpuMs: subtract(usage.cpuMs, idle.cpuMs, share), requests: subtract(usage.requests, idle.requests, share) };
};
