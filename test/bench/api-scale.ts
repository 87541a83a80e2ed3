import { get } from 'node:http';
import { parseArgs } from 'node:util';
import type { PolicyReport } from '@fso/shared/api';
import type { Report } from '@fso/shared/protocol';
import { toSend } from '../../agent/report/index.ts';
import { createHubClient } from '../../hub/cli/client/api-client.ts';
import type { Desired } from '../../hub/ledger/types.ts';
import { compileDesired } from '../../hub/rollout/index.ts';
import { type ApiHarness, startApiHarness } from '../../hub/serve/testing/api-harness.ts';
import { clusterFile, policyFile, setOf } from '../../shared/decode/testing/decoded.ts';
import { policyReport } from '../harness/policy-reports.ts';

interface Size {
  readonly clusters: number;
  readonly policies: number;
  readonly violations: number;
  /** In percent of all policies in all clusters: those that are not proven. */
  readonly deviating: number;
  readonly rounds: number;
}

const REGIONS = ['eu-west-1', 'eu-central-1', 'us-east-1', 'ap-south-1'];
const TIME = '2026-01-01T00:00:00.000Z';
const NAMED = 20;
const REVISION = 'a'.repeat(40);

const condition = (type: string) => ({ type, status: 'True' as const, lastTransitionTime: TIME, reason: 'Proven', message: 'proven' });

/** A full report: nothing in it is shared with another one. */
const reportOf = (name: string, seq: number, violations = 0): PolicyReport =>
  structuredClone(
    policyReport(name, {
      namespaces: [name],
      message: `as of report ${seq}`,
      violations,
      violationSamples: Array.from({ length: Math.min(violations, NAMED) }, (_, n) => ({
        kind: 'Pod',
        namespace: name,
        name: `pod-${n}`,
        node: `node-${n}`,
        region: REGIONS[n % REGIONS.length] ?? '',
        reason: 'the node is outside of the allowed regions',
        since: TIME,
      })),
      conditions: ['Ready', 'FloorReady', 'GatekeeperReady'].map(condition),
      lastUpdated: TIME,
    }),
  );

const cluster = {
  revision: REVISION,
  provenRevision: REVISION,
  verification: 'verified' as const,
  agentVersion: '0.1.0',
  kubernetesVersion: 'v1.36.3',
  gatekeeper: { state: 'Ready' as const },
  nodesByRegion: { 'eu-west-1': 3, 'us-east-1': 2 },
  conditions: ['FloorReady', 'GuardReady', 'GatekeeperReady'].map(condition),
};

const message = (seq: number, full: boolean, policies: PolicyReport[]): Report => ({
  type: 'report',
  seq,
  full,
  cluster,
  policies,
  removed: [],
  events: [],
});

const numbered = (what: string, count: number): string[] =>
  Array.from({ length: count }, (_, n) => `${what}-${String(n).padStart(4, '0')}`);

const desiredOf = (revision: string, { clusters, policies }: Size): Desired => {
  const policyFiles = numbered('policy', policies).map((name) => policyFile(name));
  const clusterFiles = numbered('cluster', clusters).map((name) => clusterFile(name, ['eu-west-1']));
  return compileDesired(revision, setOf(...policyFiles, ...clusterFiles)).desired;
};

const fill = async ({ ledger }: ApiHarness, size: Size): Promise<void> => {
  const { clusters, policies, violations, deviating } = size;
  const conforming = numbered('policy', policies).map((name) => toSend(reportOf(name, 1)));
  await ledger.setDesired(desiredOf(REVISION, size));
  const perCluster = violations / clusters;
  const each = deviating === 0 ? Number.POSITIVE_INFINITY : Math.round(100 / deviating);
  for (const [index, name] of numbered('cluster', clusters).entries()) {
    await ledger.setConnected(name, true);
    const reports = conforming.map((report, n) => {
      const violated = Math.max(0, Math.min(NAMED, Math.round(perCluster - n * NAMED)));
      if (violated > 0) return reportOf(report.name, 1, violated);
      return (n + index) % each === 0 ? { ...reportOf(report.name, 1), phase: 'Pending' as const } : report;
    });
    await ledger.applyReport(name, message(1, true, reports));
  }
};

const PATHS = [
  'status',
  'policy-summaries',
  'policy-summaries?sort=-violations&q=policy-00&violating=true',
  'policy-summaries?cluster=cluster-0000&phase=Active&namespace=policy-0001',
  'policies?limit=500',
  'policies/policy-0000',
  'violations',
  'violations?sort=-since&q=pod-1&limit=500',
  'violation-groups?by=policy',
  'violation-groups?by=workload',
  'clusters?limit=500',
  'clusters?sort=-violations&region=us-east-1',
  'clusters/cluster-0000',
  'regions',
  'reports/issues?format=json',
  'reports/issues?format=html',
];

/** Each on a connection of its own: one that waited while this process was busy may have been closed meanwhile. */
const read = (url: string, path: string): Promise<number> => {
  const begin = performance.now();
  return new Promise((resolve, reject) => {
    get(`${url}/api/v1/${path}`, { agent: false }, (response) => {
      if (response.statusCode !== 200) reject(new Error(`${path}: ${response.statusCode}`));
      response.resume().once('end', () => resolve(performance.now() - begin));
    }).once('error', reject);
  });
};

const median = (times: readonly number[]): string => ([...times].sort((a, b) => a - b)[Math.floor(times.length / 2)] ?? 0).toFixed(1);

const repeat = async (rounds: number, work: (round: number) => Promise<number>): Promise<string> => {
  const times: number[] = [];
  for (let round = 0; round < rounds; round += 1) times.push(await work(round));
  return median(times);
};

/** Something that happens to one cluster between two requests. */
type Change = (server: ApiHarness, round: number) => Promise<void>;

const changes = (size: Size): Readonly<Record<string, Change>> => {
  const { policies } = size;
  const commits = ['b', 'c'].map((letter) => desiredOf(letter.repeat(40), size));
  let seq = 1;
  const report = async ({ ledger }: ApiHarness, full: boolean, names: readonly string[]): Promise<void> => {
    seq += 1;
    const reports = names.map((name) => toSend(reportOf(name, seq, name.endsWith('0000') ? NAMED : 0)));
    await ledger.applyReport('cluster-0000', message(seq, full, reports));
  };
  return {
    nothing: async () => undefined,
    'one policy': (server, round) => report(server, false, numbered('policy', policies).slice(round % policies, (round % policies) + 1)),
    'all policies': (server) => report(server, true, numbered('policy', policies)),
    connection: ({ ledger }, round) => ledger.setConnected('cluster-0000', round % 2 === 1),
    'a commit': async ({ ledger }) => {
      seq += 1;
      const commit = commits[seq % commits.length];
      if (commit) await ledger.setDesired(commit);
    },
  };
};

/** Time from a change of a cluster to the status that a reader of the stream gets for it. */
const streamTimes = async (server: ApiHarness, all: readonly Change[], rounds: number): Promise<string[]> => {
  const stop = new AbortController();
  const events = createHubClient({ server: server.url }).stream({}, stop.signal);
  const nextStatus = async (): Promise<void> => {
    for (;;) {
      const { value, done } = await events.next();
      if (done === true || value.event === 'status') return;
    }
  };
  await nextStatus();
  const times: string[] = [];
  for (const change of all) {
    times.push(
      await repeat(rounds, async (round) => {
        const begin = performance.now();
        await change(server, round);
        await nextStatus();
        return performance.now() - begin;
      }),
    );
  }
  stop.abort();
  return times;
};

/** How long lists and the status of a large fleet take, when nothing changed and as the first answer after a change. */
export const apiScale = async (args: string[], signal: AbortSignal): Promise<void> => {
  const { values } = parseArgs({
    args,
    options: {
      clusters: { type: 'string', default: '500' },
      policies: { type: 'string', default: '1000' },
      violations: { type: 'string', default: '10000' },
      deviating: { type: 'string', default: '1' },
      rounds: { type: 'string', default: '15' },
    },
  });
  const size: Size = {
    clusters: Number(values.clusters),
    policies: Number(values.policies),
    violations: Number(values.violations),
    deviating: Number(values.deviating),
    rounds: Number(values.rounds),
  };
  const kinds = Object.entries(changes(size));
  await using server = await startApiHarness();
  await fill(server, size);
  console.log(
    `${size.clusters} clusters × ${size.policies} policies; the first answer: ${(await read(server.url, 'status')).toFixed(0)} ms`,
  );
  console.log(`heap: ${Math.round(process.memoryUsage().heapUsed / 1_048_576)} MiB; ${size.deviating} % of all policies deviate`);
  console.log(`median of ${size.rounds}, ms; after a change of ${kinds.map(([name]) => name).join(' | ')}`);
  const line = (times: readonly string[], what: string): void => console.log(`${times.map((time) => time.padStart(7)).join(' ')}  ${what}`);
  for (const path of PATHS) {
    const times: string[] = [];
    for (const [, change] of kinds) {
      signal.throwIfAborted();
      times.push(
        await repeat(size.rounds, async (round) => {
          await change(server, round);
          return read(server.url, path);
        }),
      );
    }
    line(times, path);
  }
  // Without a change nothing is sent.
  line(
    [
      '',
      ...(await streamTimes(
        server,
        kinds.slice(1).map(([, change]) => change),
        size.rounds,
      )),
    ],
    'stream: until the status is there',
  );
};
