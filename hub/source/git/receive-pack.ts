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
 * Heap of the thread that takes the others, in MiB, where Node.js has no settings of its own:
 * 100,000 objects take 70.
 */
const HEAP = { maxOldGenerationSizeMb: 128, maxYoungGenerationSizeMb: 8 };
/** Longest time in which a pack is stored. */
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
  // One that is being ended may still fail, and nobody waits for it then.
  worker.on('error', () => undefined);
  const [code] = (await once(worker, 'exit', { signal })) as [number];
  if (refusal !== undefined) throw new GitTransportError(refusal);
  if (code !== 0) throw new Error(`the thread that stores a pack ended with ${code}`);
};

/**
 * Stores the pack of an answer to `git-upload-pack`, which is given away, on a thread of its own.
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
 * Looks through an answer to `git-upload-pack`. Indexing a pack takes several times its size, and
 * the garbage collector gives that back late; a large one is therefore stored by a thread of its
 * own, whose end gives all of it back, while the hub goes on.
 *
 * @param answer is given away
 * @returns the answer for isomorphic-git, without the pack where it is stored already
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
