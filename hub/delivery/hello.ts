import {
  type AgentFrame,
  type Checkpoint,
  type CheckpointFrame,
  CLOSE_CODES,
  encodeFrame,
  isSigned,
  PROTOCOL_VERSION,
} from '@fso/shared/protocol';
import { weakMemo } from '@fso/shared/runtime';
import { allowAnswer, type FrameContext, logLimited } from './frame-handlers.ts';
import type { Outbox } from './outbox.ts';
import type { DeliveryDeps } from './types.ts';

/** First frame of an agent. */
export type Hello = Extract<AgentFrame, { type: 'hello' }>;

/**
 * Checks the hello of an agent.
 *
 * @returns why the hub refuses the hello; undefined if it accepts it. The cluster in it is only
 * compared with the proven identity, never used instead
 */
export const refuseHello = (hello: Hello, cluster: string): { code: number; reason: string } | undefined => {
  if (hello.protocol !== PROTOCOL_VERSION) {
    const which = hello.protocol < PROTOCOL_VERSION ? 'the agent' : 'the hub';
    const reason = `this hub speaks protocol ${PROTOCOL_VERSION}, the agent ${hello.protocol}: upgrade ${which}; the agent enforces on`;
    return { code: CLOSE_CODES.unsupportedProtocol, reason };
  }
  if (hello.cluster !== cluster)
    return { code: CLOSE_CODES.unauthorized, reason: 'the hello names another cluster than the one that was proven' };
  return undefined;
};

/**
 * Returns the checkpoint in a hello if it is a witness of this hub's audit log, which means that
 * this hub has signed it. Others prove nothing here: agents report when the key of a hub changes.
 */
export const findWitness = ({ checkpoint }: Hello, { checkpoints }: DeliveryDeps): Checkpoint | undefined =>
  checkpoint?.key === checkpoints.key && isSigned(checkpoint) ? checkpoint : undefined;

/** Writes the witness of a hello into the ledger, if the hello has one. */
const keepWitness = async (hello: Hello, context: FrameContext): Promise<void> => {
  const { cluster, deps } = context;
  const witness = findWitness(hello, deps);
  if (witness !== undefined) await deps.ledger.audit.addWitness(cluster, witness);
  else if (hello.checkpoint) logLimited(context, 'warn', { key: hello.checkpoint.key }, 'checkpoint of an agent is not of this hub');
};

/**
 * Records the revision that an agent enforces according to its hello as acked: the ack may have
 * been lost with the previous stream.
 */
const keepRevision = async ({ revision }: Hello, { cluster, stream, state, deps: { ledger } }: FrameContext): Promise<void> => {
  if (revision === null) return;
  const known = await ledger.cluster(cluster);
  // An answer on this stream is newer.
  if (!state.commits.hasAnswered && known?.acked?.revision !== revision) await ledger.setAck(cluster, { revision, digest: null }, stream);
};

/** Writes the revision and the witness of a hello into the ledger. */
export const keepHeld = async (hello: Hello, context: FrameContext): Promise<void> => {
  await keepRevision(hello, context);
  await keepWitness(hello, context);
};

/** Sets the commits and the checkpoint that an agent has according to its hello. */
export const noteHeld = (hello: Hello, { state, deps }: FrameContext): void => {
  const { commits, checkpoints } = state;
  commits.holds = hello.holds;
  commits.anchor = hello.anchor;
  commits.verified = hello.verified ?? null;
  commits.revision = hello.revision;
  commits.heading = hello.revision;
  checkpoints.kept = findWitness(hello, deps)?.sequence ?? null;
  if (hello.revision !== null) allowAnswer(commits, hello.revision, 'named');
};

/** Encodes a checkpoint once for all agents that have the same one before it. */
const encodeCheckpoint = weakMemo((frame: CheckpointFrame) => Buffer.from(encodeFrame(frame)));

/**
 * Sends an agent the audit checkpoints that bring it to the newest one, oldest first. Stops early
 * if the outbox is busy; a later call sends the rest.
 *
 * @returns number of bytes that were sent; never rejects
 */
export const sendCheckpoints = async ({ state, deps, logger }: FrameContext, outbox: Outbox): Promise<number> => {
  const progress = state.checkpoints;
  const from = progress.kept;
  let sent = 0;
  try {
    const frames = await deps.checkpoints.framesFor(from);
    // A concurrent call has sent these frames.
    if (progress.kept !== from) return 0;
    for (const frame of frames) {
      const { sequence } = frame.checkpoint;
      if (sequence === progress.sent) continue;
      const bytes = encodeCheckpoint(frame);
      outbox.send(bytes);
      sent += bytes.byteLength;
      progress.kept = sequence;
      progress.sent = sequence;
      // The rest follows in later turns.
      if (outbox.isBusy) break;
    }
  } catch (err) {
    logger.warn({ err }, 'checkpoint not sent');
  }
  return sent;
};
