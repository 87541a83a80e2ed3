import { mapConcurrently } from '@fso/shared/runtime';
import { BlindWorld, LIMITS } from './blind-world.ts';
import { CaseRun, type Outcome } from './case-run.ts';
import type { BlindCase } from './cases.ts';
import { countBites } from './proxy/faults.ts';

export interface SuiteOptions {
  readonly cases: readonly BlindCase[];
  /** Worlds that run beside each other: a case mostly waits. */
  readonly jobs: number;
  readonly ruleOfAge: boolean;
  readonly log: (line: string) => void;
}

/**
 * Time for which a claim may outlive its evidence, as a multiple of the limit. A slow machine
 * delays the claims of an agent, so that it must only be larger than what any claim may take;
 * without the rule of age all of them last that long.
 */
const PATIENCE = { on: 10, off: 2.5 } as const;

/** Runs the cases in several worlds. @returns the outcomes in the order of the cases */
export const runCases = async ({ cases, jobs, ruleOfAge, log }: SuiteOptions): Promise<readonly Outcome[]> => {
  const waiting = [...cases.entries()];
  const outcomes: Outcome[] = [];
  const patienceMs = LIMITS.kindMs * (ruleOfAge ? PATIENCE.on : PATIENCE.off);
  const lanes = Array.from({ length: Math.min(jobs, cases.length) }, (_, index) => index + 1);
  await mapConcurrently(lanes, lanes.length, async (lane) => {
    const world = await BlindWorld.start({ name: `blind-${lane}`, ruleOfAge });
    try {
      for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
        const [index, blindCase] = next;
        const outcome = await CaseRun.run(world, blindCase, patienceMs);
        outcomes[index] = outcome;
        log(lineOf(outcome));
      }
    } finally {
      await world.close();
    }
  });
  return outcomes;
};

const lineOf = ({ name, failures, bites: { failed, held, deformed, stale }, ending, tookMs }: Outcome): string => {
  const counts = `failed ${failed}, held back ${held}, malformed ${deformed}, stale ${stale}`;
  const result = failures.length === 0 ? `ok (${ending})` : `FAILED: ${failures.join('; ')}`;
  return `${name.padEnd(56)} ${String(Math.round(tookMs / 1000)).padStart(4)} s  ${counts}  ${result}`;
};

/** The line that closes a run. */
export const summaryOf = (outcomes: readonly Outcome[], tookMs: number): string => {
  const faulty = outcomes.filter(({ isFaulty }) => isFaulty);
  const bitten = faulty.filter(({ bites }) => countBites(bites) > 0);
  const failed = outcomes.filter(({ failures }) => failures.length > 0);
  const minutes = (tookMs / 60_000).toFixed(1);
  return `${faulty.length} cases and ${outcomes.length - faulty.length} controls, ${bitten.length} faults that bit, ${failed.length} failed, ${minutes} minutes`;
};
