import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { PolicyReport } from '@fso/shared/api';
import { digestOfPolicies } from '@fso/shared/compile';
import type { Report } from '@fso/shared/protocol';
import { systemClock } from '@fso/shared/runtime';
import { type Baseline, groupDeviations, standingOf } from '@fso/shared/status';
import pino from 'pino';
import { type DatabaseConfig, type Desired, type Ledger, openLedger } from '../../hub/ledger/index.ts';
import { compileDesired } from '../../hub/rollout/index.ts';
import { clusterFile, policyFile, setOf } from '../../shared/decode/testing/decoded.ts';
import { baselineOf, ReportedNames } from '../harness/baselines.ts';
import { policyReport } from '../harness/policy-reports.ts';
import { startPostgres } from '../harness/postgres.ts';

const REVISION = '1'.repeat(40);

interface Size {
  readonly clusters: number;
  readonly policies: number;
  readonly seconds: number;
}

/** Returns a commit with the same list for all clusters. */
const desiredOf = ({ clusters, policies }: Size): Desired => {
  const files = Array.from({ length: policies }, (_, n) => policyFile(`policy-${n}`));
  const names = Array.from({ length: clusters }, (_, n) => clusterFile(`cluster-${n}`, ['eu-west-1']));
  return compileDesired(REVISION, setOf(...files, ...names)).desired;
};

const failedOf = (n: number, seq: number): PolicyReport => policyReport(`policy-${n}`, { message: `as of report ${seq}`, phase: 'Failed' });

/**
 * Reports of one cluster, in which alternately a policy fails and conforms again, and all others
 * conform.
 */
class ClusterReports {
  readonly #names = new ReportedNames();
  readonly #baseline: Baseline;
  readonly #policies: number;

  constructor(list: string, policies: number) {
    this.#baseline = baselineOf(list);
    this.#policies = policies;
  }

  get(seq: number): Report {
    const n = (seq >> 1) % this.#policies;
    const isFailed = seq > 1 && seq % 2 === 0;
    const deviations = isFailed ? groupDeviations([[`policy-${n}`, standingOf(failedOf(n, seq))]]) : [];
    const removed = seq > 1 && !isFailed ? [`policy-${n}`] : [];
    return this.#names.complete({
      type: 'report',
      seq,
      full: seq === 1,
      baseline: this.#baseline,
      deviations,
      policies: [],
      removed,
      events: [],
    });
  }
}

const at = (values: readonly number[], share: number): string =>
  (values[Math.min(values.length - 1, Math.floor(values.length * share))] ?? 0).toFixed(1);

/**
 * Sends reports for every cluster. Each cluster waits for the acknowledgement of its report before
 * it sends the next one.
 */
const load = async (
  ledger: Ledger,
  clusters: ReadonlyMap<string, ClusterReports>,
  seconds: number,
  signal: AbortSignal,
): Promise<number[]> => {
  const end = performance.now() + seconds * 1000;
  const times: number[] = [];
  const report = async (name: string, reports: ClusterReports): Promise<void> => {
    for (let seq = 2; performance.now() < end && !signal.aborted; seq += 1) {
      const begin = performance.now();
      await ledger.applyReport(name, reports.get(seq));
      times.push(performance.now() - begin);
    }
  };
  await Promise.all([...clusters].map(([name, reports]) => report(name, reports)));
  return times.sort((a, b) => a - b);
};

const measure = async (name: string, database: DatabaseConfig, size: Size, signal: AbortSignal): Promise<void> => {
  const options = {
    database,
    history: { days: 400, events: 1_000_000 },
    clock: systemClock,
    random: Math.random,
    logger: pino({ level: 'silent' }),
  };
  const ledger = await openLedger(options, signal);
  const desired = desiredOf(size);
  await ledger.setDesired(desired);
  const clusters = new Map(
    [...desired.clusters].map(([cluster, policies]) => [cluster, new ClusterReports(digestOfPolicies(policies), size.policies)]),
  );
  const began = performance.now();
  await Promise.all([...clusters].map(([cluster, reports]) => ledger.applyReport(cluster, reports.get(1))));
  const filled = performance.now() - began;
  const times = await load(ledger, clusters, size.seconds, signal);
  await ledger.close();
  const opening = performance.now();
  await (await openLedger(options, signal)).close();
  console.log(
    `${name}: ${Math.round(times.length / size.seconds)} reports/s durable; one takes ${at(times, 0.5)} ms (median), ${at(times, 0.99)} ms (99 %); ` +
      `${size.clusters} full reports of ${size.policies} policies that conform in ${Math.round(filled)} ms; opened again with them in ${Math.round(performance.now() - opening)} ms`,
  );
};

/** Measures the reports per second that are committed, in the embedded database and on a server. */
export const ledger = async (args: string[], signal: AbortSignal): Promise<void> => {
  const { values } = parseArgs({
    args,
    options: {
      clusters: { type: 'string', default: '100' },
      policies: { type: 'string', default: '1000' },
      seconds: { type: 'string', default: '10' },
    },
  });
  const size: Size = { clusters: Number(values.clusters), policies: Number(values.policies), seconds: Number(values.seconds) };
  const folder = await mkdtemp(join(tmpdir(), 'fso-bench-ledger-'));
  try {
    await measure('embedded', { folder }, size, signal);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  const server = await startPostgres();
  try {
    await measure('PostgreSQL server', { url: await server.createDatabase() }, size, signal);
  } finally {
    await server.stop();
  }
};
