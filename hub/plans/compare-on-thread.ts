import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { type Clock, isWorkerOutOfMemory, WAIT_OVERTAKEN } from '@fso/shared/runtime';
import type { Compared, ComparisonInput } from './compare.ts';
import { type PlanRefusal, refusePlan } from './read-request.ts';

/** Bounds of a comparison of two states of the policies on its thread. */
export interface CompareLimits {
  /** Heap of the thread, in MiB. */
  readonly heapMiB: number;
  /** Processor time of a comparison, in milliseconds. */
  readonly cpuMs: number;
}

/** Bounds that a hub gives each comparison. */
export const COMPARE_LIMITS: CompareLimits = { heapMiB: 256, cpuMs: 20_000 };

/** Time between two readings of the processor time of a thread. */
const CHECK_MS = 500;

/** Thrown where a thread fails; the message of its error may quote the files, and is left out. */
class ComparisonError extends Error {
  override readonly name = 'ComparisonError';

  constructor(error: unknown) {
    super('the thread that compares a plan failed');
    const { name, stack = '' } = error instanceof Error ? error : new Error('it ended early');
    const places = stack.split('\n').filter((line) => line.startsWith('    at '));
    this.stack = [`${this.name}: ${this.message}: ${name}`, ...places].join('\n');
  }
}

/** Resolves once the thread has taken too much processor time. @throws the signal's reason */
const exceeds = async (worker: Worker, cpuMs: number, { clock, signal }: { readonly clock: Clock; readonly signal: AbortSignal }) => {
  for (;;) {
    await clock.sleep(CHECK_MS, signal);
    // One that starts or has ended tells nothing.
    const { user, system } = await worker.cpuUsage().catch(() => ({ user: 0, system: 0 }));
    if ((user + system) / 1000 > cpuMs) return refusePlan('Comparing them takes too long.', [], 'too-large');
  }
};

/**
 * Compares on a thread of its own, so that what a request costs in memory and time ends with the
 * thread, and the hub goes on meanwhile.
 *
 * @param input its body is given away
 * @returns a refusal where it takes too much memory or processor time
 * @throws ComparisonError, the signal's reason
 */
export const compareOnThread = async (
  input: ComparisonInput,
  { clock, signal, limits = COMPARE_LIMITS }: { readonly clock: Clock; readonly signal: AbortSignal; readonly limits?: CompareLimits },
): Promise<Compared | PlanRefusal> => {
  signal.throwIfAborted();
  const worker = new Worker(new URL('./compare-thread.ts', import.meta.url), {
    execArgv: [],
    workerData: input,
    transferList: [input.body.buffer],
    resourceLimits: { maxOldGenerationSizeMb: limits.heapMiB, maxYoungGenerationSizeMb: 16 },
    stdout: true,
    stderr: true,
  });
  // One that is being ended may still fail, and nobody waits for it then.
  worker.on('error', () => undefined);
  const done = new AbortController();
  const until = AbortSignal.any([signal, done.signal]);
  const answer = Promise.race([
    once(worker, 'message', { signal: until }).then(([compared]) => compared as Compared),
    once(worker, 'exit', { signal: until }).then(() => {
      throw new ComparisonError(undefined);
    }),
    exceeds(worker, limits.cpuMs, { clock, signal: until }),
  ]);
  try {
    return await answer;
  } catch (error) {
    signal.throwIfAborted();
    if (isWorkerOutOfMemory(error)) return refusePlan('Comparing them takes too much memory.', [], 'too-large');
    throw error instanceof ComparisonError ? error : new ComparisonError(error);
  } finally {
    done.abort(WAIT_OVERTAKEN);
    await worker.terminate();
  }
};
