import { type Checkpoint, type CheckpointFrame, MAX_CHECKPOINT_DIGESTS } from '@fso/shared/protocol';
import { type Clock, coalesce, type Logger } from '@fso/shared/runtime';
import { digestOfEntry } from '../audit-log.ts';
import type { Journal, Lease } from '../types.ts';
import type { AuditKey } from './key.ts';

/** Signed checkpoints of the audit log, which agents keep as witnesses. */
export interface Checkpoints {
  /** Public key. */
  readonly key: string;
  /**
   * Returns the frames that bring an agent to the newest checkpoint, with the proof that the log
   * extends the checkpoint that the agent holds.
   *
   * @param held sequence number of the agent's checkpoint; null: none
   */
  framesFor(held: number | null): Promise<readonly CheckpointFrame[]>;
  run(signal: AbortSignal): Promise<void>;
}

/** Audit log to sign, with key and interval. */
export interface CheckpointsDeps {
  readonly ledger: Pick<Journal, 'audit'> & Pick<Lease, 'leads' | 'onLead'>;
  readonly key: AuditKey;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Interval between two checkpoints in milliseconds. Default: one minute. */
  readonly everyMs?: number;
}

const EVERY_MS = 60_000;
/** Number of proofs that are cached. Most agents hold the previous checkpoint. */
const KEPT = 8;

/**
 * Signs a checkpoint of the audit log every `everyMs` while this hub leads, and builds the proofs
 * that lead from older checkpoints to the newest one.
 */
export const createCheckpoints = ({ ledger, key, clock, logger, everyMs = EVERY_MS }: CheckpointsDeps): Checkpoints => {
  const { audit } = ledger;
  const ways = new Map<number | null, Promise<readonly CheckpointFrame[]>>();
  let latest: Checkpoint | null = null;

  /** Splits the digests into frames of bounded size, each with its own checkpoint. */
  const follow = async (held: number, to: Checkpoint): Promise<readonly CheckpointFrame[]> => {
    const frames: CheckpointFrame[] = [];
    for (let after = held; after < to.sequence; after += MAX_CHECKPOINT_DIGESTS) {
      const entries = await audit.after(after, Math.min(MAX_CHECKPOINT_DIGESTS, to.sequence - after));
      const last = entries.at(-1);
      if (last === undefined) break;
      const checkpoint = last.sequence === to.sequence ? to : key.sign({ sequence: last.sequence, hash: last.hash, time: to.time });
      frames.push({ type: 'checkpoint', checkpoint, after, digests: entries.map(digestOfEntry) });
    }
    return frames;
  };
  const take = (checkpoint: Checkpoint): void => {
    latest = checkpoint;
    ways.clear();
  };
  /** Returns the newest checkpoint by this hub's key, whichever replica signed it. */
  const newest = async (): Promise<Checkpoint | null> => {
    const last = await audit.lastCheckpoint();
    if (last === null || last.key === key.id) return last;
    if (latest === null) logger.error({ key: key.id, lastKey: last.key }, 'audit key is not the one of the last checkpoint');
    return null;
  };
  /** Reads the newest checkpoint: an agent that another hub served may have a newer one. */
  const catchUp = async (): Promise<void> => {
    const current = await newest();
    if (current !== null && current.sequence > (latest?.sequence ?? 0)) take(current);
  };
  /** Answers an agent with a newer checkpoint: no frames, unless the log is shorter. */
  const answerBeyond = async (held: number, newestOne: Checkpoint): Promise<readonly CheckpointFrame[]> => {
    const { sequence } = await audit.head();
    return held > sequence ? [{ type: 'checkpoint', checkpoint: newestOne, after: newestOne.sequence, digests: [] }] : [];
  };
  const make = async (held: number | null): Promise<readonly CheckpointFrame[]> => {
    if (latest === null) return [];
    if (held !== null && held > latest.sequence) await catchUp();
    const to = latest;
    // An agent without a checkpoint needs no proof.
    if (held === null || held === to.sequence) return [{ type: 'checkpoint', checkpoint: to, after: to.sequence, digests: [] }];
    return held > to.sequence ? answerBeyond(held, to) : follow(held, to);
  };

  const advance = async (): Promise<void> => {
    const current = await newest();
    const head = await audit.head();
    if (ledger.leads() && head.sequence > (current?.sequence ?? 0)) {
      const checkpoint = key.sign({ ...head, time: clock.now().toISOString() });
      await audit.addCheckpoint(checkpoint);
      take(checkpoint);
    } else if (current !== null && current.sequence !== latest?.sequence) take(current);
  };

  return {
    key: key.id,
    framesFor: (held) => {
      const known = ways.get(held);
      if (known !== undefined) return known;
      const made = make(held);
      ways.set(held, made);
      made.catch(() => ways.delete(held));
      const [oldest] = ways.keys();
      if (ways.size > KEPT && oldest !== undefined) ways.delete(oldest);
      return made;
    },
    run: async (signal) => {
      const work = coalesce(() => advance().catch((err: unknown) => logger.warn({ err }, 'audit log not signed')));
      // A hub that becomes the leader shortly after its start signs at once.
      ledger.onLead(() => {
        if (!signal.aborted) void work();
      });
      while (!signal.aborted) {
        await work();
        await clock.sleep(everyMs, signal).catch(() => undefined);
      }
    },
  };
};
