import type { ClusterRecord } from '../../ledger/index.ts';
import { type FrameContext, logLimited } from '../frame-handlers.ts';

/**
 * Longest time between two frames of one report, in milliseconds. A report whose next frame takes
 * longer counts as incomplete.
 */
const NEXT_FRAME_MS = 10_000;

/**
 * Whether a full report is wanted and has not come: the agent was asked for it, or waits for its
 * turn.
 */
export const isIncomplete = ({ state, resync }: Pick<FrameContext, 'state' | 'resync'>): boolean =>
  state.reports.resyncing || resync.isWaiting;

/**
 * Whether the hub's record differs from what the agent has reported, although nothing is left out.
 */
export const isDiverged = (known: ClusterRecord | null): boolean =>
  known !== null && known.divergedSince !== null && known.notKept === null;

/** Whether a report has more frames, and the next one may still come. */
const isUnfinished = ({ state, deps }: Pick<FrameContext, 'state' | 'deps'>): boolean => {
  const { unfinished } = state.reports;
  return unfinished !== undefined && deps.clock.monotonicMs() - unfinished.at < NEXT_FRAME_MS;
};

/** Whether the next frame continues a full report. */
export const continuesFull = (context: Pick<FrameContext, 'state' | 'deps'>): boolean =>
  isUnfinished(context) && context.state.reports.unfinished?.isFull === true;

/** Asks the agent for a full report when it is its turn; reports before that count as usual. */
export const askForAll = ({ state, send, resync }: FrameContext): void =>
  resync.take(() => {
    state.reports.resyncing = true;
    state.reports.unfinished = undefined;
    send({ type: 'resync' });
  });

/**
 * Requests a full report because one is missing. Until it has come, the ledger does not have the
 * current state of the cluster.
 */
export const askForMissing = async (
  context: FrameContext,
  known: ClusterRecord | null,
  { message, seq }: { readonly message: string; readonly seq: number },
): Promise<void> => {
  const { cluster, stream, deps } = context;
  if (known?.divergedSince === null) await deps.ledger.setDiverged(cluster, stream);
  if (isIncomplete(context)) return;
  logLimited(context, 'info', { seq, known: known?.reportedSeq }, message);
  askForAll(context);
};

/**
 * Requests a full report, at a limited rate, because the hub's record differs from what the agent
 * has reported.
 */
export const askForLost = (context: FrameContext): void => {
  const { reports } = context.state;
  if (isIncomplete(context) || isUnfinished(context) || reports.requestsForLost.take(1) === 0) return;
  logLimited(context, 'info', {}, 'record differs from the reports of the agent');
  askForAll(context);
};
