/**
 * Sends random frames, right and wrong, to a hub and to an agent on real streams, and looks for
 * what ends or grows.
 *
 *   npm run test:fuzz -- --frames 100000 [--seed 42]
 */
import { randomInt } from 'node:crypto';
import { readOptions, refuseOptions } from '../harness/options.ts';
import { fuzzAgent, fuzzHub } from './fuzz.ts';
import { assertNoGrowth } from './growth.ts';

const USAGE = 'npm run test:fuzz -- [--frames 100000] [--seed 42]';
const values = readOptions(USAGE, {
  frames: { type: 'string', default: '100000' },
  seed: { type: 'string', default: String(randomInt(2 ** 31 - 1)) },
});
const frames = Number(values.frames);
const seed = Number(values.seed);
if (!Number.isInteger(frames) || frames < 1 || !Number.isInteger(seed)) refuseOptions(USAGE);

console.log(`${frames} frames each, seed ${seed}`);
assertNoGrowth(await fuzzHub({ frames, seed, log: (line) => console.log(`hub: ${line}`) }));
assertNoGrowth(await fuzzAgent({ frames, seed, log: (line) => console.log(`agent: ${line}`) }));
