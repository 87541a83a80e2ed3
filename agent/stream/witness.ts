import { AGENT_STATE, type ClusterEvent, FIELD_MANAGERS, SYSTEM_NAMESPACE } from '@fso/shared/api';
import { CONFIG_MAP_KIND, type ConfigMap, type KubeClient } from '@fso/shared/kube';
import { Checkpoint, type CheckpointFrame, chainHash, isSigned } from '@fso/shared/protocol';
import { type Clock, createBackoff, type Logger, Wakeup } from '@fso/shared/runtime';

/** The last checkpoint of the hub's audit log that was kept; undefined also where it cannot be read as one. @throws what the API server answered */
export const loadCheckpoint = async (client: KubeClient, signal: AbortSignal): Promise<Checkpoint | undefined> => {
  const map = await client.get(CONFIG_MAP_KIND, { namespace: SYSTEM_NAMESPACE, name: AGENT_STATE }, signal);
  try {
    return Checkpoint.parse(JSON.parse(map?.data?.['checkpoint'] ?? ''));
  } catch {
    return undefined;
  }
};

/** Under a name of its own, so that it stands beside the accepted state. @throws what the API server answered */
export const saveCheckpoint = async (client: KubeClient, checkpoint: Checkpoint, signal: AbortSignal): Promise<void> => {
  const body: ConfigMap = {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { namespace: SYSTEM_NAMESPACE, name: AGENT_STATE },
    data: { checkpoint: JSON.stringify(checkpoint) },
  };
  await client.apply(CONFIG_MAP_KIND, body, { fieldManager: FIELD_MANAGERS.witness, force: true }, signal);
};

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
