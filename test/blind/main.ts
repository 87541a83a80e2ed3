/**
 * Takes the sight of each kind from an agent, in every way, and looks whether anything claims what
 * it no longer knows.
 *
 *   npm run test:blind -- [--seed 1] [--only Node/watch-frozen] [--sample 30] [--jobs 3] [--rule-of-age off]
 */
import { readOptions, refuseOptions } from '../harness/options.ts';
import { allCases, sampleCases } from './cases.ts';
import { runCases, summaryOf } from './suite.ts';

const USAGE = 'npm run test:blind -- [--seed 1] [--only <kind>/<fault>] [--sample 30] [--jobs 3] [--rule-of-age on|off]';
const values = readOptions(USAGE, {
  seed: { type: 'string', default: '1' },
  only: { type: 'string', default: '' },
  sample: { type: 'string' },
  jobs: { type: 'string', default: '3' },
  'rule-of-age': { type: 'string', default: 'on' },
});
const [seed, jobs, sample] = [values.seed, values.jobs, values.sample ?? '1'].map(Number) as [number, number, number];
const ruleOfAge = values['rule-of-age'];
const cases = (values.sample === undefined ? allCases(seed) : sampleCases(seed, sample)).filter(({ name }) =>
  `${name}/`.includes(values.only),
);
if (![seed, jobs, sample].every(Number.isInteger) || jobs < 1 || !['on', 'off'].includes(ruleOfAge) || cases.length === 0)
  refuseOptions(USAGE);

const started = performance.now();
console.log(`${cases.length} cases, seed ${seed}, rule of age ${ruleOfAge}`);
const outcomes = await runCases({ cases, jobs, ruleOfAge: ruleOfAge === 'on', log: (line) => console.log(line) });
console.log(summaryOf(outcomes, performance.now() - started));
process.exit(outcomes.every(({ failures }) => failures.length === 0) ? 0 : 1);
