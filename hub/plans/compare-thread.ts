import { parentPort, workerData } from 'node:worker_threads';
import { lowerThreadPriority } from '@fso/shared/runtime';
import type { ComparisonInput } from './compare.ts';

lowerThreadPriority();
// Loading the program of a comparison takes as long as many a comparison.
const { compare } = await import('./compare.ts');
parentPort?.postMessage(compare(workerData as ComparisonInput));
