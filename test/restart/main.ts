/**
 * Compares the hub's predictions of the next restart, and those of a plan before the policies were
 * merged, with the result of a restart of everything, on three real clusters with 400 workloads.
 *
 *   npm run test:restart -- [--seed 7]
 */
import { readOptions, refuseOptions } from '../harness/options.ts';
import { ownerKind } from './generate-workloads.ts';
import { differencesOf, restart } from './restart.ts';

const USAGE = 'npm run test:restart -- [--seed 7]';
const values = readOptions(USAGE, { seed: { type: 'string', default: String(Math.floor(Math.random() * 2 ** 31)) } });
const seed = Number(values.seed);
if (!Number.isInteger(seed)) refuseOptions(USAGE);

const began = Date.now();
const log = (line: string): void => console.log(`${Math.round((Date.now() - began) / 1000)} s: ${line}`);

log(`seed ${seed}`);
const { workloads, comparisons } = await restart(seed, log);
const kinds = [...Map.groupBy(workloads, ownerKind)].map(([kind, { length }]) => `${length} ${kind}`);
log(`${workloads.length} workloads of ${kinds.length} kinds of owner: ${kinds.join(', ')}`);
for (const { what, said, done } of comparisons)
  console.log(`${String(said.length).padStart(6)} said ${String(done.length).padStart(6)} so   ${what}`);
const differences = differencesOf(comparisons, workloads);
for (const difference of differences) console.error(difference);
log(differences.length === 0 ? 'the same, both ways' : `${differences.length} differences`);
process.exitCode = differences.length === 0 ? 0 : 1;
