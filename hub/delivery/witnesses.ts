import { type AgentFrame, type HubFrame, isSigned } from '@fso/shared/protocol';
import type { IntakeContext } from './intake.ts';
import type { SessionState } from './session.ts';
import type { DeliveryDeps } from './types.ts';

type Hello = Extract<AgentFrame, { type: 'hello' }>;

/**
 * What an agent says that it keeps is a witness of this hub's audit log if this hub signed it. Anything else proves nothing here: the agent
 * reports a hub that signs with another key than the one before.
 */
export const takeWitness = async ({ checkpoint }: Hello, { cluster, state, deps, logger }: IntakeContext): Promise<void> => {
  if (checkpoint === null || checkpoint === undefined) return;
  if (checkpoint.key !== deps.checkpoints.key || !isSigned(checkpoint)) {
    logger.warn({ key: checkpoint.key }, 'checkpoint of an agent is not of this hub');
    return;
  }
  state.checkpoint = checkpoint.sequence;
  await deps.ledger.audit.addWitness(cluster, checkpoint);
};

/** Brings an agent to the newest checkpoint. */
export const sendCheckpoints = async (state: SessionState, deps: DeliveryDeps, send: (frame: HubFrame) => void): Promise<void> => {
  const from = state.checkpoint;
  const frames = await deps.checkpoints.framesFor(from);
  // Another call was faster; its frames have the agent where these would bring it.
  if (state.checkpoint !== from) return;
  for (const frame of frames) {
    send(frame);
    state.checkpoint = frame.checkpoint.sequence;
  }
};
