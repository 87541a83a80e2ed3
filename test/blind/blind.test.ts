import { beforeAll, describe, expect, it } from 'vitest';
import type { Outcome } from './case-run.ts';
import { sampleCases } from './cases.ts';
import { countBites } from './proxy/faults.ts';
import { runCases, summaryOf } from './suite.ts';

/** Seed, by the same variable as for the property tests. */
const { FSO_TEST_SEED = '1' } = process.env;
const SEED = FSO_TEST_SEED === 'random' ? Math.floor(Math.random() * 2 ** 31) : Number(FSO_TEST_SEED);
/** Sample of the cases of `npm run test:blind`. */
const CASES = sampleCases(SEED, 30);
const JOBS = 4;

describe(`the sight of a kind is taken from an agent, seed ${SEED}`, () => {
  let outcomes: ReadonlyMap<string, Outcome> = new Map();

  beforeAll(async () => {
    const started = performance.now();
    const found = await runCases({ cases: CASES, jobs: JOBS, ruleOfAge: true, log: (line) => console.log(line) });
    console.log(summaryOf(found, performance.now() - started));
    outcomes = new Map(found.map((outcome) => [outcome.name, outcome]));
  });

  it.each(CASES)('claims nothing that it does not know, opens nothing, and heals: $name', ({ name }) => {
    const { failures, isFaulty, bites } = outcomes.get(name) ?? expect.fail('the case did not run');
    expect(failures).toEqual([]);
    expect(countBites(bites) > 0).toBe(isFaulty);
  });
});
