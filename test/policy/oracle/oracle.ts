import { CASES } from '../../integration/decision-cases.ts';
import { startApiServer } from './api-server.ts';
import { acceptedCase, anyCase, governedOf, WORLDS } from './cases.ts';
import { compare, type Mismatch, noCounts } from './compare.ts';
import { rego, typescript } from './implementations.ts';
import { startGoOracle } from './pipe.ts';
import type { Column } from './report.ts';
import { type Phase, runPhase } from './run-phase.ts';
import type { Implementation, OracleCase } from './types.ts';

export interface OracleOptions {
  readonly seed: number;
  /** Pods for each implementation; none = it is left out. */
  readonly pods: { readonly typescript: number; readonly rego: number; readonly cel: number };
  readonly log: (line: string) => void;
}

export interface OracleReport {
  readonly columns: readonly Column[];
  /** Mismatches of hand-written cases. */
  readonly known: readonly Mismatch[];
}

/** The bind gate judges a DaemonSet's pod: it is admitted here, although its node may be in any region. */
const knownCases = (): OracleCase[] =>
  CASES.filter(({ pod }) => pod.ownerReferences === undefined).flatMap(({ pod }) =>
    WORLDS.map((world) => ({ governed: governedOf(world), pod })),
  );

const PROGRESS_MS = 5_000;

/** Logs a line about the progress every few seconds. */
const progressOf = (name: string, pods: number, log: (line: string) => void): ((done: number) => void) => {
  const started = performance.now();
  let said = started;
  return (done) => {
    const now = performance.now();
    if (now - said < PROGRESS_MS) return;
    said = now;
    log(
      `${name}: ${done.toLocaleString('en-US')} of ${pods.toLocaleString('en-US')} pods, ${Math.round(done / ((now - started) / 1000))}/s`,
    );
  };
};

interface Task {
  readonly pods: number;
  readonly cases: Phase['cases'];
  readonly open: () => Promise<Implementation & { close?: () => Promise<void> }>;
}

/** Compares each implementation in turn with Kubernetes' matcher; continues with the next after a mismatch. */
export const runOracle = async ({ seed, pods, log }: OracleOptions, signal: AbortSignal): Promise<OracleReport> => {
  const matcher = await startGoOracle(log, signal);
  const columns: Column[] = [];
  const known: Mismatch[] = [];
  const tasks: readonly Task[] = [
    { pods: pods.typescript, cases: anyCase, open: async () => typescript() },
    { pods: pods.rego, cases: anyCase, open: async () => rego(matcher) },
    { pods: pods.cel, cases: acceptedCase, open: () => startApiServer(log, signal) },
  ];
  const run = async (task: Task): Promise<void> => {
    const implementation = await task.open();
    const comparison = { matcher, implementation };
    try {
      known.push(...(await compare(comparison, knownCases(), noCounts())));
      const onProgress = progressOf(implementation.name, task.pods, log);
      const result = await runPhase({ ...comparison, cases: task.cases, pods: task.pods, seed, onProgress }, signal);
      columns.push({ name: implementation.name, result });
    } finally {
      await implementation.close?.();
    }
  };
  try {
    for (const task of tasks) if (task.pods > 0) await run(task);
  } finally {
    await matcher.close();
  }
  return { columns, known };
};
