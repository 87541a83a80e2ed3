import { AGENT_STATE, type ClusterEvent, FIELD_MANAGERS, SYSTEM_NAMESPACE } from '@fso/shared/api';
import { CONFIG_MAP_KIND, type KubeClient } from '@fso/shared/kube';
import { Checkpoint, type CheckpointFrame, chainHash, isSigned } from '@fso/shared/protocol';
import { type Backoff, createBackoff, createBucket, Wakeup } from '@fso/shared/runtime';
import { applyState } from '../config-map-store.ts';
import { type AgentRuntime, API_RETRY } from '../runtime.ts';

/**
 * Loads the stored checkpoint of the hub's audit log; undefined if there is none, or it cannot be
 * parsed.
 *
 * @throws KubeApiError, KubeConnectionError
 */
const loadCheckpoint = async (client: KubeClient, signal: AbortSignal): Promise<Checkpoint | undefined> => {
  const map = await client.get(CONFIG_MAP_KIND, { namespace: SYSTEM_NAMESPACE, name: AGENT_STATE }, signal);
  try {
    return Checkpoint.parse(JSON.parse(map?.data?.['checkpoint'] ?? ''));
  } catch {
    return undefined;
  }
};

/**
 * Stores a checkpoint under its own field manager, beside the accepted state.
 *
 * @throws KubeApiError, KubeConnectionError
 */
const saveCheckpoint = (client: KubeClient, checkpoint: Checkpoint, signal: AbortSignal): Promise<void> =>
  applyState(client, { data: { checkpoint: JSON.stringify(checkpoint) } }, FIELD_MANAGERS.witness, signal);

/**
 * Judgement of the hub's checkpoint against the held one. `fork`: reason why the hub shows a
 * different history.
 */
export type CheckpointJudgement = { readonly ok: true; readonly checkpoint: Checkpoint } | { readonly ok: false; readonly fork: string };

const fork = (reason: string): CheckpointJudgement => ({ ok: false, fork: reason });

const goesOnFrom = (held: Checkpoint, { checkpoint, after, digests }: CheckpointFrame): boolean =>
  after === held.sequence && digests.length === checkpoint.sequence - after && digests.reduce(chainHash, held.hash) === checkpoint.hash;

/**
 * Judges whether a checkpoint of the hub's audit log continues the held one. The first checkpoint
 * and its key are trusted. Pure.
 */
export const judgeCheckpoint = (held: Checkpoint | undefined, frame: CheckpointFrame): CheckpointJudgement => {
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

/** Services of a {@link Witness}, and the receiver of its events. */
export interface WitnessOptions extends AgentRuntime {
  readonly onEvent: (event: ClusterEvent) => void;
}

/**
 * Shortest time between two writes, in ms. A hub sends one checkpoint per minute; a faster one must
 * not cause writes in every cluster.
 */
const STORE_MS = 60_000;
/** Time for the last write after the end of a term, in ms. */
const LAST_STORE_MS = 2_000;
/**
 * Rate of events about forks. A hub can show any number of forks, and the first event is enough.
 */
const FORKS = { burst: 3, perSecond: 3 / 3_600 };

/**
 * Keeps the last checkpoint of the hub's audit log, and reports if the hub shows another history.
 */
export class Witness {
  readonly #options: WitnessOptions;
  readonly #wakeup = new Wakeup();
  readonly #backoff: Backoff;
  readonly #mayReport: () => boolean;
  #held: Checkpoint | undefined;
  #stored: Checkpoint | undefined;
  /** Fork reported last. A hub that continues its other history causes one event. */
  #reported: string | undefined;

  constructor(options: WitnessOptions) {
    this.#options = options;
    this.#backoff = createBackoff({ ...API_RETRY, random: options.random });
    this.#mayReport = createBucket(options.clock, FORKS);
  }

  /** Checkpoint that the next one has to continue. */
  held(): Checkpoint | undefined {
    return this.#held;
  }

  /** Keeps a checkpoint that continues the held one, and reports any other as a fork. */
  take(frame: CheckpointFrame): void {
    const judged = judgeCheckpoint(this.#held, frame);
    if (!judged.ok) {
      this.#reportFork(judged.fork, frame);
      return;
    }
    if (judged.checkpoint === this.#held) return;
    this.#held = judged.checkpoint;
    this.#wakeup.wake();
  }

  /**
   * Loads the stored checkpoint. Retries while the API server cannot be reached.
   *
   * @throws the signal's reason
   */
  restore(signal: AbortSignal): Promise<void> {
    return this.#retry(async () => {
      this.#stored = await loadCheckpoint(this.#options.client, signal);
      this.#held = this.#stored;
    }, signal);
  }

  /**
   * Stores the newest checkpoint, at most once a minute, until the signal aborts, and once more
   * after that: the next leader must detect a hub that revokes what this leader has seen.
   *
   * @throws the signal's reason
   */
  async run(signal: AbortSignal): Promise<void> {
    try {
      for (;;) {
        await this.#wakeup.wait(signal);
        await this.#retry(() => this.#store(signal), signal);
        await this.#options.clock.sleep(STORE_MS, signal);
      }
    } finally {
      await this.#storeLast(AbortSignal.timeout(LAST_STORE_MS));
    }
  }

  async #store(signal: AbortSignal): Promise<void> {
    const held = this.#held;
    if (held === undefined || held === this.#stored) return;
    await saveCheckpoint(this.#options.client, held, signal);
    this.#stored = held;
  }

  /**
   * Stores the last checkpoint unless one at least as new is stored: after the loss of the lease,
   * another leader may have done so. Never rejects.
   */
  async #storeLast(signal: AbortSignal): Promise<void> {
    if (this.#held === undefined || this.#held === this.#stored) return;
    const { client, logger } = this.#options;
    try {
      const stored = await loadCheckpoint(client, signal);
      if (stored === undefined || stored.sequence < this.#held.sequence) await this.#store(signal);
    } catch (error) {
      logger.warn({ err: error }, 'last checkpoint of the audit log cannot be stored');
    }
  }

  #reportFork(fork: string, { checkpoint }: CheckpointFrame): void {
    const { clock, logger, onEvent } = this.#options;
    const held = this.#held;
    const reported = `${checkpoint.key} ${held?.sequence}`;
    if (this.#reported === reported || !this.#mayReport()) return;
    this.#reported = reported;
    logger.error({ reason: fork, held, offered: checkpoint }, 'audit log of the hub was forked');
    const message = `The audit log of the hub is not the one that this agent witnessed: ${fork}. Compare with \`fso audit verify\` and its exports.`;
    onEvent({ time: clock.now().toISOString(), severity: 'alert', reason: 'AuditForkDetected', message });
  }

  async #retry(attempt: () => Promise<void>, signal: AbortSignal): Promise<void> {
    const { clock, logger } = this.#options;
    for (;;) {
      try {
        await attempt();
        this.#backoff.reset();
        return;
      } catch (error) {
        signal.throwIfAborted();
        if (this.#backoff.failures === 0) logger.warn({ err: error }, 'checkpoint of the audit log cannot be read or stored');
        await clock.sleep(this.#backoff.next(), signal);
      }
    }
  }
}
