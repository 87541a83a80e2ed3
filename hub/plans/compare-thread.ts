import { parentPort, workerData } from 'node:worker_threads';
import { type ComparisonInput, compare } from './compare.ts';

parentPort?.postMessage(compare(workerData as ComparisonInput));
