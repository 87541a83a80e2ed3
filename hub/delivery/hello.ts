import { type AgentFrame, type Checkpoint, type CheckpointFrame, CLOSE_CODES, isSigned, PROTOCOL_VERSION } from '@fso/shared/protocol';
import { type CheckpointProgress, type FrameContext, logLimited } from './frame-handlers.ts';
import type { DeliveryDeps } from './types.ts';

export type Hello = Extract<AgentFrame, { type: 'hello' }>;

/** @returns why the hub does not accept a hello, if so. The cluster in it is compared with the proven identity, never used instead of it */
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
 * The checkpoint in a hello is a witness of this hub's audit log if this hub signed it. Any other one proves nothing here: the agent reports a
 * hub that signs with another key than the one before.
 */
export const findWitness = ({ checkpoint }: Hello, { checkpoints }: DeliveryDeps): Checkpoint | undefined =>
  checkpoint?.key === checkpoints.key && isSigned(checkpoint) ? checkpoint : undefined;

/** Writes the witness of a hello into the ledger, if the hello has one. */
export const keepWitness = async (hello: Hello, context: FrameContext): Promise<void> => {
  const { cluster, deps } = context;
  const witness = findWitness(hello, deps);
  if (witness !== undefined) await deps.ledger.audit.addWitness(cluster, witness);
  else if (hello.checkpoint) logLimited(context, 'warn', { key: hello.checkpoint.key }, 'checkpoint of an agent is not of this hub');
};

/**
 * An ack is lost where the stream broke before it; the revision that the agent enforces by its hello is the same word.
 *
 * @param hasAnswered whether the agent has acked or nacked a revision since the hello: that is the newer word
 */
export const keepRevision = async (
  { revision }: Hello,
  { cluster, stream, deps: { ledger } }: FrameContext,
  hasAnswered: () => boolean,
): Promise<void> => {
  if (revision === null) return;
  const known = await ledger.cluster(cluster);
  if (!hasAnswered() && known?.acked?.revision !== revision) await ledger.setAck(cluster, { revision, digest: null }, stream);
};

/**
 * Brings an agent to the newest checkpoint, or a part of the way.
 *
 * @param send returns whether another frame may follow now
 */
export const sendCheckpoints = async (
  progress: CheckpointProgress,
  deps: DeliveryDeps,
  send: (frame: CheckpointFrame) => boolean,
): Promise<void> => {
  const from = progress.kept;
  const frames = await deps.checkpoints.framesFor(from);
  // Another call was faster; its frames have the agent where these would bring it.
  if (progress.kept !== from) return;
  for (const frame of frames) {
    const { sequence } = frame.checkpoint;
    if (sequence === progress.sent) continue;
    const mayGoOn = send(frame);
    progress.kept = sequence;
    progress.sent = sequence;
    if (!mayGoOn) return;
  }
};
