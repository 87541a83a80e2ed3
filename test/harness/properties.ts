import fc from 'fast-check';

/**
 * Property tests try the same cases in every run, so that a run says something of the change that
 * it tests. `FSO_TEST_SEED` is another seed, a number, or `random`; `FSO_TEST_RUNS` the number of
 * cases of each property that does not set its own.
 */
const { FSO_TEST_SEED: seed = '1', FSO_TEST_RUNS: runs } = process.env;
fc.configureGlobal({ ...(seed === 'random' ? {} : { seed: Number(seed) }), ...(runs === undefined ? {} : { numRuns: Number(runs) }) });
