import fc from 'fast-check';

/**
 * Configures property tests. They use the same cases in every run, so that results depend only on
 * the change under test. `FSO_TEST_SEED` sets another seed, a number or `random`. `FSO_TEST_RUNS`
 * sets the number of cases of each property that does not set its own.
 */
const { FSO_TEST_SEED: seed = '1', FSO_TEST_RUNS: runs } = process.env;
fc.configureGlobal({ ...(seed === 'random' ? {} : { seed: Number(seed) }), ...(runs === undefined ? {} : { numRuns: Number(runs) }) });
