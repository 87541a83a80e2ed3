import { parentPort } from 'node:worker_threads';
import { packFrame } from './packed-frame.ts';

parentPort?.on('message', (data: Uint8Array) => parentPort?.postMessage(packFrame(data)));
