import { fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as delay, setImmediate } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { MAX_SAMPLES, type PolicyReport } from '@fso/shared/api';
import { type CompiledPolicy, digestOfPolicies } from '@fso/shared/compile';
import type { Report } from '@fso/shared/protocol';
import { weakMemo } from '@fso/shared/runtime';
import { groupDeviations, standingOf } from '@fso/shared/status';
import type { Desired } from '../../../hub/ledger/types.ts';
import { compileDesired } from '../../../hub/rollout/index.ts';
import { type ApiHarness, startApiHarness } from '../../../hub/serve/testing/api-harness.ts';
import { clusterFile, policyFile, setOf } from '../../../shared/decode/testing/decoded.ts';
import { baselineOf, ReportedNames } from '../../harness/baselines.ts';
import { policyReport } from '../../harness/policy-reports.ts';
import { writeFigures } from '../figures.ts';
import type { ReadOrder, ReadTimes } from './reader.ts';

interface Size {
  readonly clusters: number;
  readonly policies: number;
  /** Percentage of the policies in all clusters that are violated or not proven. */
  readonly deviating: number;
}

const REGIONS = ['eu-west-1', 'eu-central-1', 'us-east-1', 'ap-south-1'];
const TIME = '2026-01-01T00:00:00.000Z';

const PATHS = [
  'status',
  'policy-summaries?limit=50',
  'policy-summaries?sort=-violations&q=policy-00&violating=true&limit=50',
  'policy-summaries?cluster=cluster-0000&phase=Active&limit=50',
  'policy-summaries?namespace=policy-0001',
  'policies/policy-0000',
  'violations?limit=50',
  'violations?sort=-since&q=pod-1&limit=50',
  'violation-groups?by=policy&limit=50',
  'clusters?limit=50',
  'clusters?sort=-violations&region=us-east-1&limit=50',
  'clusters/cluster-0000',
  'clusters/cluster-0000/policies?limit=50',
  'regions',
];

const condition = (type: string) => ({ type, status: 'True' as const, lastTransitionTime: TIME, reason: 'Enforced', message: 'proven' });

/** Creates a full report that shares no object with another one. */
const reportOf = (name: string, seq: number, change: Partial<PolicyReport> = {}): PolicyReport =>
  structuredClone(
    policyReport(name, {
      namespaces: [name],
      message: `as of report ${seq}`,
      conditions: ['Ready', 'FloorReady', 'GatekeeperReady'].map(condition),
      lastUpdated: TIME,
      ...change,
    }),
  );

/**
 * Creates the report of a deviating policy: every second one is violated, the others are not
 * proven.
 */
const deviatingReport = (name: string, n: number): PolicyReport => {
  if (n % 2 === 0) return reportOf(name, 1, { phase: 'Pending' });
  const sample = { kind: 'Pod', namespace: name, node: `node-${n}`, reason: 'the node is outside of the allowed regions', since: TIME };
  return reportOf(name, 1, { violations: 1, violationSamples: [{ ...sample, name: `pod-${n}`, region: REGIONS[n % REGIONS.length] }] });
};

const facts = (revision: string) => ({
  revision,
  provenRevision: revision,
  verification: 'verified' as const,
  agentVersion: '0.1.0',
  kubernetesVersion: 'v1.36.3',
  gatekeeper: { state: 'Ready' as const },
  nodesByRegion: { 'eu-west-1': 3, 'us-east-1': 2 },
  conditions: ['FloorReady', 'GuardReady', 'GatekeeperReady'].map(condition),
});

const numbered = (what: string, count: number): string[] =>
  Array.from({ length: count }, (_, n) => `${what}-${String(n).padStart(4, '0')}`);

const revisionOf = (commit: number): string => commit.toString(16).padStart(40, '0');

/** Returns the desired state of a commit. Its first policy differs in each commit. */
const desiredOf = (commit: number, { clusters, policies }: Size): Desired => {
  const policyFiles = numbered('policy', policies).map((name, n) => policyFile(name, n === 0 ? { description: `commit ${commit}` } : {}));
  const clusterFiles = numbered('cluster', clusters).map((name, n) => clusterFile(name, [REGIONS[n % REGIONS.length] ?? '']));
  return compileDesired(revisionOf(commit), setOf(...policyFiles, ...clusterFiles)).desired;
};

/** Reports of a cluster, which like those of agents name only policies that deviate. */
class ReportingCluster {
  readonly #names = new ReportedNames();
  #seq = 0;

  /** @param list digest of the list that it has accepted */
  report(revision: string, list: string, change: Partial<Pick<Report, 'full' | 'policies' | 'removed'>> = {}): Report {
    this.#seq += 1;
    const { policies: deviating = [], ...rest } = change;
    const samples = deviating.flatMap(({ name: policy, violationSamples }) => violationSamples.map((sample) => ({ ...sample, policy })));
    return this.#names.complete({
      type: 'report',
      seq: this.#seq,
      full: false,
      baseline: baselineOf(list),
      cluster: { ...facts(revision), ...(samples.length > 0 && { violationSamples: samples.slice(0, MAX_SAMPLES) }) },
      deviations: groupDeviations(deviating.map((each) => [each.name, standingOf(each)] as const)),
      policies: [],
      removed: [],
      events: [],
      ...rest,
    });
  }
}

type Clusters = ReadonlyMap<string, ReportingCluster>;

const listOf = ({ clusters }: Desired, cluster: string): string => digestOf(clusters.get(cluster) ?? NO_POLICIES);
const NO_POLICIES: readonly CompiledPolicy[] = [];
/** Returns the digest of policies, cached because many clusters have the same list. */
const digestOf = weakMemo((policies: readonly CompiledPolicy[]) => digestOfPolicies(policies));

const fill = async ({ ledger }: ApiHarness, size: Size): Promise<Clusters> => {
  const { deviating } = size;
  const policies = numbered('policy', size.policies);
  const clusters = new Map(numbered('cluster', size.clusters).map((name) => [name, new ReportingCluster()]));
  const desired = desiredOf(1, size);
  await ledger.setDesired(desired);
  const each = deviating === 0 ? Number.POSITIVE_INFINITY : Math.round(100 / deviating);
  for (const [index, [name, cluster]] of [...clusters].entries()) {
    await ledger.setConnected(name, true);
    const reports = policies.flatMap((policy, n) => ((n + index) % each === 0 ? [deviatingReport(policy, n + index)] : []));
    await ledger.applyReport(name, cluster.report(revisionOf(1), listOf(desired, name), { full: true, policies: reports }));
  }
  return clusters;
};

/** Number of reports that arrive together. */
const AT_ONCE = 8;
const inGroups = <T>(items: readonly T[], size: number): readonly (readonly T[])[] =>
  Array.from({ length: Math.ceil(items.length / size) }, (_, n) => items.slice(n * size, (n + 1) * size));

/**
 * Commits changes of the first policy, which each cluster then reports to be in force, until
 * aborted.
 *
 * @returns number of commits
 */
const commitOn = async (
  { ledger }: ApiHarness,
  clusters: Clusters,
  { size, everyMs }: { readonly size: Size; readonly everyMs: number },
  signal: AbortSignal,
): Promise<number> => {
  // Compiled beforehand, so that only reads are measured.
  const first = desiredOf(2, size);
  const commits = [first, desiredOf(3, size)];
  let count = 0;
  while (!signal.aborted) {
    const desired = commits[count % commits.length] ?? first;
    await ledger.setDesired(desired);
    count += 1;
    const { revision } = desired;
    for (const some of inGroups([...clusters], AT_ONCE)) {
      const reports = some.map(
        ([name, cluster]) => [name, cluster.report(revision, listOf(desired, name), { removed: ['policy-0000'] })] as const,
      );
      await Promise.all(reports.map(([name, report]) => ledger.applyReport(name, report)));
      // Like frames of many connections: other work runs between them.
      await setImmediate();
    }
    await delay(everyMs, undefined, { signal }).catch(() => undefined);
  }
  return count;
};

const readWith = async (order: ReadOrder): Promise<ReadTimes> => {
  const reader = fork(join(import.meta.dirname, 'reader.ts'));
  const answered = once(reader, 'message') as Promise<[ReadTimes]>;
  reader.send(order);
  const [times] = await answered;
  return times;
};

const at = (times: readonly number[], share: number): number =>
  [...times].sort((a, b) => a - b)[Math.min(times.length - 1, Math.floor(times.length * share))] ?? 0;

/**
 * Measures lists, filters, pages and details of a large fleet at a steady rate of requests, while
 * commits arrive and every cluster reports them.
 */
export const api = async (args: string[], signal: AbortSignal): Promise<void> => {
  const { values } = parseArgs({
    args,
    options: {
      clusters: { type: 'string', default: '1000' },
      policies: { type: 'string', default: '1000' },
      deviating: { type: 'string', default: '1' },
      rate: { type: 'string', default: '50' },
      seconds: { type: 'string', default: '30' },
      every: { type: 'string', default: '5000' },
      json: { type: 'string' },
    },
  });
  const size: Size = { clusters: Number(values.clusters), policies: Number(values.policies), deviating: Number(values.deviating) };
  await using server = await startApiHarness();
  const clusters = await fill(server, size);
  console.log(`${size.clusters} clusters × ${size.policies} policies, ${size.deviating} % deviate; ${values.rate} requests a second`);
  const order = { url: server.url, paths: PATHS, perSecond: Number(values.rate), seconds: Number(values.seconds) };
  // The first requests compile code and build the index.
  await readWith({ ...order, perSecond: 2, seconds: PATHS.length });
  const stop = new AbortController();
  const committing = commitOn(server, clusters, { size, everyMs: Number(values.every) }, AbortSignal.any([stop.signal, signal]));
  const times = await readWith(order);
  stop.abort();
  const commits = await committing;
  const rows = [...Object.entries(times), ['all of them', Object.values(times).flat()] as const].map(([path, all]) => ({
    path,
    p50: Math.round(at(all, 0.5)),
    p99: Math.round(at(all, 0.99)),
    max: Math.round(Math.max(...all)),
  }));
  const heapMiB = Math.round(process.memoryUsage().heapUsed / 1_048_576);
  console.log(`${commits} commits, each reported by all clusters; heap of the hub ${heapMiB} MiB`);
  console.log('median, 99th percentile and maximum, in ms');
  for (const { path, p50, p99, max } of rows) console.log(`${[p50, p99, max].map((ms) => String(ms).padStart(7)).join(' ')}  ${path}`);
  await writeFigures(values.json, { size, commits, heapMiB, rows });
};
