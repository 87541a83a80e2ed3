import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { Report } from '@fso/shared/protocol';
import { systemClock } from '@fso/shared/runtime';
import pino from 'pino';
import { type DatabaseConfig, type Ledger, openLedger } from '../../hub/ledger/index.ts';
import { policyReport } from '../harness/policy-reports.ts';
import { startPostgres } from '../harness/postgres.ts';

const report = (seq: number, change: Partial<Report>): Report => ({
  type: 'report',
  seq,
  full: false,
  policies: [],
  removed: [],
  events: [],
  ...change,
});

const policyOf = (n: number, seq: number) =>
  policyReport(`policy-${n}`, { message: `as of report ${seq}`, ...(seq % 5 === 0 ? { phase: 'Failed' as const } : {}) });

const at = (values: readonly number[], share: number): string =>
  (values[Math.min(values.length - 1, Math.floor(values.length * share))] ?? 0).toFixed(1);

interface Size {
  readonly clusters: number;
  readonly policies: number;
  readonly seconds: number;
}

/** Every cluster waits for the answer to its report before it sends the next one, as with one report in flight each. */
const load = async (ledger: Ledger, { clusters, policies, seconds }: Size, signal: AbortSignal): Promise<number[]> => {
  const end = performance.now() + seconds * 1000;
  const times: number[] = [];
  const cluster = async (name: string): Promise<void> => {
    for (let seq = 2; performance.now() < end && !signal.aborted; seq += 1) {
      const begin = performance.now();
      await ledger.applyReport(name, report(seq, { policies: [policyOf(seq % policies, seq)] }));
      times.push(performance.now() - begin);
    }
  };
  await Promise.all(Array.from({ length: clusters }, (_, i) => cluster(`cluster-${i}`)));
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
  const full = Array.from({ length: size.policies }, (_, i) => policyReport(`policy-${i}`));
  const began = performance.now();
  await Promise.all(
    Array.from({ length: size.clusters }, (_, i) => ledger.applyReport(`cluster-${i}`, report(1, { full: true, policies: full }))),
  );
  const filled = performance.now() - began;
  const times = await load(ledger, size, signal);
  await ledger.close();
  const opening = performance.now();
  await (await openLedger(options, signal)).close();
  console.log(
    `${name}: ${Math.round(times.length / size.seconds)} reports/s durable; one takes ${at(times, 0.5)} ms (median), ${at(times, 0.99)} ms (99 %); ` +
      `${size.clusters} full reports of ${size.policies} policies in ${Math.round(filled)} ms; opened again with them in ${Math.round(performance.now() - opening)} ms`,
  );
};

/** Reports per second that are committed, on the embedded database and on a server. */
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
