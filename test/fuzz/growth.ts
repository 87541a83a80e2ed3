import { setImmediate } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** Memory and handles of a process. */
export interface Holdings {
  readonly heapMiB: number;
  /** Sockets, timers and other resources that keep the event loop going. */
  readonly handles: number;
}

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

/** Reads what this process holds once garbage is collected. */
export const holdings = async (): Promise<Holdings> => {
  // Values that others hold weakly go in a later collection.
  for (let round = 0; round < 3; round += 1) {
    collectGarbage();
    await setImmediate();
  }
  return { heapMiB: process.memoryUsage().heapUsed / 1_048_576, handles: process.getActiveResourcesInfo().length };
};

export const describeGrowth = (before: Holdings, after: Holdings): string =>
  `heap ${before.heapMiB.toFixed(1)} → ${after.heapMiB.toFixed(1)} MiB, handles ${before.handles} → ${after.handles}`;

/**
 * Caches are bounded and not full at the beginning, such as the newest events that a hub serves
 * from memory.
 */
const SPARE_MIB = 32;
/** Timers and connections that just end; a frame that left one behind would leave thousands. */
const SPARE_HANDLES = 16;

/** @throws Error where frames left something behind */
export const assertNoGrowth = ({ before, after }: { readonly before: Holdings; readonly after: Holdings }): void => {
  if (after.heapMiB - before.heapMiB > SPARE_MIB || after.handles - before.handles > SPARE_HANDLES)
    throw new Error(`something stays of frames: ${describeGrowth(before, after)}`);
  if (Reflect.get({}, 'polluted') !== undefined) throw new Error('a frame has changed the prototype of all objects');
};
