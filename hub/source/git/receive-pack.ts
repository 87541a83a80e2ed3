import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { isWorkerOutOfMemory } from '@fso/shared/runtime';
import { GitTransportError } from './git-errors.ts';
import { type CheckedPack, checkPackAnswer, DEFAULT_PACK_LIMITS, type PackLimits } from './pack-limits.ts';

/**
 * Bounds of packs that the hub's own thread indexes: the answer, its objects, and their size with
 * deltas applied.
 */
const SMALL = { answerBytes: 1024 * 1024, objects: 10_000, resolvedBytes: 4 * 1024 * 1024 };
/**
 * Heap of the thread that indexes larger packs, in MiB, unless Node.js has settings of its own:
 * 100,000 objects take 70.
 */
const HEAP = { maxOldGenerationSizeMb: 128, maxYoungGenerationSizeMb: 8 };
/** Longest time for storing a pack, in milliseconds. */
const STORE_MS = 120_000;
/** The answer to a client that has everything (gitprotocol-pack(5)). */
const NO_PACK = Buffer.from('0008NAK\n');

/** Response with a pack, and the clone that it goes into. */
export interface PackToStore {
  /** An answer to `git-upload-pack`, with a buffer of its own. */
  readonly answer: Uint8Array<ArrayBuffer>;
  readonly gitdir: string;
  readonly limits: PackLimits;
}

const isSmall = ({ objects, resolvedBytes }: CheckedPack): boolean => objects <= SMALL.objects && resolvedBytes <= SMALL.resolvedBytes;

const tooExpensive = (): GitTransportError =>
  new GitTransportError('the Git server sent a pack that takes too much memory or time; the repository holds something that is no policy');

/**
 * Waits for the end of a thread.
 *
 * @throws the error that ended it; GitTransportError for an answer that it refused
 */
const endOf = async (worker: Worker, signal: AbortSignal): Promise<void> => {
  let refusal: string | undefined;
  worker.on('message', (message: string) => (refusal = message));
  // A thread may still emit an error while it is terminated, when nothing awaits its result.
  worker.on('error', () => undefined);
  const [code] = (await once(worker, 'exit', { signal })) as [number];
  if (refusal !== undefined) throw new GitTransportError(refusal);
  if (code !== 0) throw new Error(`the thread that stores a pack ended with ${code}`);
};

/**
 * Stores the pack of an answer to `git-upload-pack` on a thread of its own, to which the buffer of
 * the answer is transferred.
 *
 * @throws GitTransportError, also for an answer without a pack; the signal's reason
 */
export const storePack = async (toStore: PackToStore, signal: AbortSignal): Promise<void> => {
  const worker = new Worker(new URL('./store-pack-thread.ts', import.meta.url), {
    execArgv: [],
    workerData: toStore,
    transferList: [toStore.answer.buffer],
    resourceLimits: HEAP,
  });
  const timeout = AbortSignal.timeout(STORE_MS);
  try {
    await endOf(worker, AbortSignal.any([signal, timeout]));
  } catch (error) {
    signal.throwIfAborted();
    throw timeout.aborted || isWorkerOutOfMemory(error) ? tooExpensive() : error;
  } finally {
    await worker.terminate();
  }
};

/**
 * Checks an answer to `git-upload-pack`. Indexing a pack takes several times its size in memory,
 * which the garbage collector frees late. A large pack is therefore stored by a thread of its own,
 * whose end frees all of it, while the hub stays responsive.
 *
 * @param answer may be transferred to the thread
 * @returns the answer for isomorphic-git, without the pack if it is stored already
 * @throws GitTransportError; the signal's reason
 */
export const receivePack = async (answer: Buffer<ArrayBuffer>, gitdir: string, signal: AbortSignal): Promise<Uint8Array> => {
  if (answer.length <= SMALL.answerBytes) {
    const checked = await checkPackAnswer(answer, DEFAULT_PACK_LIMITS, signal);
    if (checked === undefined || isSmall(checked)) return answer;
  }
  await storePack({ answer, gitdir, limits: DEFAULT_PACK_LIMITS }, signal);
  return NO_PACK;
};
