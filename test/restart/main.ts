/**
 * Compares what the hub says of the next restart with what a restart of everything brings, on three
 * real clusters with 300 workloads.
 *
 *   npm run test:restart -- [--seed 7]
 */
import { readOptions, refuseOptions } from '../harness/options.ts';
import { differencesOf, restart } from './restart.ts';

const USAGE = 'npm run test:restart -- [--seed 7]';
const values = readOptions(USAGE, { seed: { type: 'string', default: String(Math.floor(Math.random() * 2 ** 31)) } });
const seed = Number(values.seed);
if (!Number.isInteger(seed)) refuseOptions(USAGE);

const began = Date.now();
const log = (line: string): void => console.log(`${Math.round((Date.now() - began) / 1000)} s: ${line}`);

log(`seed ${seed}`);
const { workloads, comparisons } = await restart(seed, log);
const kinds = [...Map.groupBy(workloads, ({ kind }) => kind)].map(([kind, { length }]) => `${length} ${kind}s`);
log(`${workloads.length} workloads: ${kinds.join(', ')}; ${workloads.filter(({ isOfOperator }) => isOfOperator).length} of an operator`);
for (const { what, said, done } of comparisons)
  console.log(`${String(said.length).padStart(6)} said ${String(done.length).padStart(6)} so   ${what}`);
const differences = differencesOf(comparisons, workloads);
for (const difference of differences) console.error(difference);
log(differences.length === 0 ? 'the same, both ways' : `${differences.length} differences`);
process.exitCode = differences.length === 0 ? 0 : 1;
