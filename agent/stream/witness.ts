import type { ClusterEvent } from '@fso/shared/api';
import type { KubeClient } from '@fso/shared/kube';
import type { Checkpoint, CheckpointFrame } from '@fso/shared/protocol';
import { type Clock, createBackoff, type Logger, Wakeup } from '@fso/shared/runtime';
import { loadCheckpoint, saveCheckpoint } from './checkpoint-store.ts';
import { judgeCheckpoint } from './judge-checkpoint.ts';

/** Keeps the last checkpoint of the hub's audit log, and says so when the hub tells another history. */
export interface Witness {
  held(): Checkpoint | undefined;
  take(frame: CheckpointFrame): void;
  /** Loads what was kept before; an API server that is not there yet is waited for. */
  restore(signal: AbortSignal): Promise<void>;
  /** Writes what is taken into the cluster, until the signal aborts, whose reason it throws then. */
  run(signal: AbortSignal): Promise<void>;
}

export interface WitnessOptions {
  readonly client: KubeClient;
  readonly clock: Clock;
  /** 0 ≤ x < 1. */
  readonly random: () => number;
  readonly logger: Logger;
  readonly onEvent: (event: ClusterEvent) => void;
}

const RETRY = { baseMs: 500, maxMs: 30_000 };

export const createWitness = ({ client, clock, random, logger, onEvent }: WitnessOptions): Witness => {
  const wakeup = new Wakeup();
  const backoff = createBackoff({ ...RETRY, random });
  let held: Checkpoint | undefined;
  /** What was told last: a hub that goes on with its other history is told of once. */
  let told: string | undefined;

  const tell = (fork: string, { checkpoint }: CheckpointFrame): void => {
    const what = `${checkpoint.key} ${held?.sequence}`;
    if (told === what) return;
    told = what;
    logger.error({ reason: fork, held, offered: checkpoint }, 'audit log of the hub was forked');
    const message = `The audit log of the hub is not the one that this agent witnessed: ${fork}. Compare with \`fso audit verify\` and its exports.`;
    onEvent({ time: clock.now().toISOString(), severity: 'alert', reason: 'AuditForkDetected', message });
  };
  const retry = async (signal: AbortSignal, attempt: () => Promise<void>): Promise<void> => {
    for (;;) {
      try {
        await attempt();
        backoff.reset();
        return;
      } catch (error) {
        signal.throwIfAborted();
        if (backoff.failures === 0) logger.warn({ err: error }, 'checkpoint of the audit log cannot be read or kept');
        await clock.sleep(backoff.next(), signal);
      }
    }
  };

  return {
    held: () => held,
    take: (frame) => {
      const judged = judgeCheckpoint(held, frame);
      if (!judged.ok) {
        tell(judged.fork, frame);
        return;
      }
      if (judged.checkpoint === held) return;
      held = judged.checkpoint;
      wakeup.wake();
    },
    restore: (signal) =>
      retry(signal, async () => {
        held = await loadCheckpoint(client, signal);
      }),
    run: async (signal) => {
      for (;;) {
        await wakeup.wait(signal);
        await retry(signal, async () => {
          if (held !== undefined) await saveCheckpoint(client, held, signal);
        });
      }
    },
  };
};
