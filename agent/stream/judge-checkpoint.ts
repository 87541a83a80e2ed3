import { type Checkpoint, type CheckpointFrame, chainHash, isSigned } from '@fso/shared/protocol';

/** `fork`: the hub tells another history than the one that was kept, and why that is so. */
export type Judgement = { readonly ok: true; readonly checkpoint: Checkpoint } | { readonly ok: false; readonly fork: string };

const fork = (reason: string): Judgement => ({ ok: false, fork: reason });

const goesOnFrom = (held: Checkpoint, { checkpoint, after, digests }: CheckpointFrame): boolean =>
  after === held.sequence && digests.length === checkpoint.sequence - after && digests.reduce(chainHash, held.hash) === checkpoint.hash;

/**
 * Whether a checkpoint of the hub's audit log goes on from the one that was kept. The first one is taken as it is, and its key with it.
 * Pure.
 */
export const judgeCheckpoint = (held: Checkpoint | undefined, frame: CheckpointFrame): Judgement => {
  const { checkpoint } = frame;
  if (!isSigned(checkpoint)) return fork(`checkpoint ${checkpoint.sequence} is not signed by the key that it names`);
  if (held === undefined) return { ok: true, checkpoint };
  if (checkpoint.key !== held.key)
    return fork(`checkpoint ${checkpoint.sequence} is signed by another key than checkpoint ${held.sequence}`);
  if (checkpoint.sequence < held.sequence)
    return fork(`the log ends at entry ${checkpoint.sequence}, but it had an entry ${held.sequence}`);
  if (checkpoint.sequence === held.sequence)
    return checkpoint.hash === held.hash ? { ok: true, checkpoint: held } : fork(`entry ${held.sequence} is another than it was`);
  return goesOnFrom(held, frame)
    ? { ok: true, checkpoint }
    : fork(`checkpoint ${checkpoint.sequence} does not go on from checkpoint ${held.sequence}`);
};
