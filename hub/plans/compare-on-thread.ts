import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { type Clock, isWorkerOutOfMemory, WAIT_OVERTAKEN } from '@fso/shared/runtime';
import type { Compared, ComparisonInput } from './compare.ts';
import { type PlanRefusal, refusePlan } from './read-request.ts';

/** Limits of the thread that compares two states of the policies. */
export interface CompareLimits {
  /** Heap of the thread, in MiB. */
  readonly heapMiB: number;
  /** Processor time of a comparison, in milliseconds. */
  readonly cpuMs: number;
}

/** Default limits of a comparison. */
export const COMPARE_LIMITS: CompareLimits = { heapMiB: 256, cpuMs: 20_000 };

/** Time between two readings of the processor time of a thread, in milliseconds. */
const CHECK_MS = 500;

/**
 * Error of a thread that failed. It keeps the name and the stack of the thread's own error, and
 * drops the message, which may quote the files.
 */
class ComparisonError extends Error {
  override readonly name = 'ComparisonError';

  constructor(error: unknown) {
    super('the thread that compares a plan failed');
    const { name, stack = '' } = error instanceof Error ? error : new Error('it ended early');
    const places = stack.split('\n').filter((line) => line.startsWith('    at '));
    this.stack = [`${this.name}: ${this.message}: ${name}`, ...places].join('\n');
  }
}

/**
 * Resolves with a refusal once the thread has used too much processor time.
 *
 * @throws the signal's reason
 */
const exceeds = async (worker: Worker, cpuMs: number, { clock, signal }: { readonly clock: Clock; readonly signal: AbortSignal }) => {
  for (;;) {
    await clock.sleep(CHECK_MS, signal);
    // A thread that is starting or has ended reports no processor time.
    const { user, system } = await worker.cpuUsage().catch(() => ({ user: 0, system: 0 }));
    if ((user + system) / 1000 > cpuMs) return refusePlan('Comparing them takes too long.', [], 'too-large');
  }
};

/**
 * Compares on a thread of its own. This bounds the memory and processor time of a request, and the
 * hub stays responsive meanwhile.
 *
 * @param input its body is transferred to the thread
 * @returns a refusal if the comparison exceeds the limits
 * @throws ComparisonError if the thread fails, or the signal's reason
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
  // A thread may still emit an error while it is terminated, when nothing awaits its result.
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
