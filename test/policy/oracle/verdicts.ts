import { decideResidency } from '@fso/shared/residency';
import { startApiServer } from './api-server.ts';
import { startGoOracle } from './pipe.ts';
import { BATCH, bothLocks, checker, lockTwo, plan, risks, type Verdict, type VerdictSource } from './verdict-sources.ts';
import { generateWorkloads, isFree, KINDS, objectOf, type Workload } from './workloads.ts';

/** Verdicts of one source, as numbers of workloads. */
export interface VerdictCounts {
  readonly name: string;
  readonly admitted: number;
  readonly refused: number;
  /** Workloads of which it says that it does not know. */
  readonly unknown: number;
  /** Refused ones by kind. */
  readonly refusedOf: ReadonlyMap<string, number>;
}

export interface VerdictReport {
  readonly sources: readonly VerdictCounts[];
  /** The first verdicts that differ from that of shared/residency. */
  readonly differences: readonly string[];
  readonly differing: number;
}

interface VerdictOptions {
  readonly seed: number;
  readonly workloads: number;
  readonly log: (line: string) => void;
}

const MAX_SHOWN = 10;

/**
 * The verdict of shared/residency about the next pods. Those of a DaemonSet pass admission, and the
 * bind gate decides.
 */
const expectedOf = (workload: Workload): string | undefined => {
  if (workload.kind === 'DaemonSet' || isFree(workload)) return undefined;
  const decision = decideResidency(workload.pod, workload.governed.regions);
  return decision.admitted ? undefined : decision.violation;
};

const isEqual = (verdict: Verdict, expected: string | undefined): boolean => {
  if (verdict.state === 'unknown') return true;
  if (verdict.state === 'admitted') return expected === undefined;
  return expected !== undefined && verdict.text.includes(expected);
};

const differenceText = ({ name }: VerdictSource, workload: Workload, verdict: Verdict): string =>
  [
    `${name}: ${verdict.state === 'refused' ? `refused: ${verdict.text}` : verdict.state}`,
    `shared/residency: ${expectedOf(workload) ?? 'admitted'}`,
    `workload: ${JSON.stringify(objectOf(workload))}`,
    `allowed regions: ${JSON.stringify(workload.governed.regions)}`,
  ].join('\n');

const countsOf = ({ name }: VerdictSource, workloads: readonly Workload[], verdicts: readonly Verdict[]): VerdictCounts => {
  const inState = (state: Verdict['state']): readonly Workload[] =>
    workloads.filter((_workload, index) => verdicts[index]?.state === state);
  const refused = inState('refused');
  return {
    name,
    admitted: inState('admitted').length,
    refused: refused.length,
    unknown: inState('unknown').length,
    refusedOf: new Map(KINDS.map((of) => [of, refused.filter(({ kind }) => kind === of).length])),
  };
};

const judgeAll = async (source: VerdictSource, workloads: readonly Workload[], signal: AbortSignal): Promise<readonly Verdict[]> => {
  const verdicts: Verdict[] = [];
  for (let at = 0; at < workloads.length; at += BATCH) {
    signal.throwIfAborted();
    verdicts.push(...(await source.judge(workloads.slice(at, at + BATCH))));
  }
  if (verdicts.length !== workloads.length) throw new Error(`${source.name}: a verdict is missing`);
  return verdicts;
};

const differencesOf = (source: VerdictSource, workloads: readonly Workload[], verdicts: readonly Verdict[]): readonly string[] =>
  workloads.flatMap((workload, index) => {
    const verdict = verdicts[index];
    return verdict === undefined || isEqual(verdict, expectedOf(workload)) ? [] : differenceText(source, workload, verdict);
  });

/**
 * Compares the verdicts about the same generated workloads: of a plan, of the audit of owners at
 * risk, of the checker of the dashboard, and of the locks.
 */
export const compareVerdicts = async ({ seed, workloads: count, log }: VerdictOptions, signal: AbortSignal): Promise<VerdictReport> => {
  const workloads = generateWorkloads(seed, count);
  const oracle = await startGoOracle(log, signal);
  const server = await startApiServer(log, signal, true).catch(async (error: unknown) => {
    await oracle.close();
    throw error;
  });
  const differences: string[] = [];
  const sources: VerdictCounts[] = [];
  try {
    for (const source of [plan, risks, checker, bothLocks(server), lockTwo(oracle)]) {
      const verdicts = await judgeAll(source, workloads, signal);
      differences.push(...differencesOf(source, workloads, verdicts));
      sources.push(countsOf(source, workloads, verdicts));
      log(`${source.name}: ${workloads.length} workloads are judged`);
    }
  } finally {
    await server.close();
    await oracle.close();
  }
  return { sources, differences: differences.slice(0, MAX_SHOWN), differing: differences.length };
};
