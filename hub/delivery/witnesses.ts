import { type AgentFrame, type Checkpoint, type HubFrame, isSigned } from '@fso/shared/protocol';
import type { IntakeContext } from './frame-handlers.ts';
import type { SessionState } from './session-state.ts';
import type { DeliveryDeps } from './types.ts';

type Hello = Extract<AgentFrame, { type: 'hello' }>;

/**
 * What an agent says that it keeps is a witness of this hub's audit log if this hub signed it. Anything else proves nothing here: the agent
 * reports a hub that signs with another key than the one before.
 */
export const witnessOf = ({ checkpoint }: Hello, { checkpoints }: DeliveryDeps): Checkpoint | undefined =>
  checkpoint?.key === checkpoints.key && isSigned(checkpoint) ? checkpoint : undefined;

export const keepWitness = async (hello: Hello, { cluster, deps, logger }: IntakeContext): Promise<void> => {
  const witness = witnessOf(hello, deps);
  if (witness !== undefined) await deps.ledger.audit.addWitness(cluster, witness);
  else if (hello.checkpoint) logger.warn({ key: hello.checkpoint.key }, 'checkpoint of an agent is not of this hub');
};

/** Brings an agent to the newest checkpoint. */
export const sendCheckpoints = async (state: SessionState, deps: DeliveryDeps, send: (frame: HubFrame) => void): Promise<void> => {
  const from = state.checkpoint;
  const frames = await deps.checkpoints.framesFor(from);
  // Another call was faster; its frames have the agent where these would bring it.
  if (state.checkpoint !== from) return;
  for (const frame of frames) {
    const { sequence } = frame.checkpoint;
    if (sequence === state.sentCheckpoint) continue;
    send(frame);
    state.checkpoint = sequence;
    state.sentCheckpoint = sequence;
  }
};
