import { type DecodedAgentFrame, digestOfCluster, EMPTY_DIGEST, type ReportedState } from '@fso/shared/protocol';
import { type Logger, weakMemo } from '@fso/shared/runtime';
import { digestOfBaseline } from '@fso/shared/status';
import { notKeptText } from '@fso/shared/text';
import { type AckedRevision, type ClusterRecord, ReportGapError, reportedDigest } from '../../ledger/index.ts';
import { compareAck, type Frame, type FrameContext, logLimited, noteAck, noteVerified } from '../frame-handlers.ts';
import type { AgentBudget } from '../pacing/agent-budget.ts';
import type { DeliveryDeps } from '../types.ts';
import { askForList, lookUpList } from './lists.ts';
import { askForAll, askForLost, askForMissing, continuesFull, isDiverged, isIncomplete } from './resync.ts';

interface ReportingCluster {
  readonly cluster: string;
  readonly budget: AgentBudget;
  readonly deps: Pick<DeliveryDeps, 'ledger' | 'clock'>;
  readonly logger: Logger;
}

/**
 * Writes an event, at a limited rate, that the hub does not keep all that a cluster reports. A
 * cluster that reports too much is held back.
 */
const noteNotKept = async (policies: number, { cluster, budget, deps, logger }: ReportingCluster): Promise<void> => {
  if (!budget.mayTellNotKept()) return;
  budget.strikes.add();
  logger.warn({ policies }, 'policies of a cluster are not kept');
  const message = notKeptText(policies);
  await deps.ledger.addEvent(cluster, { time: deps.clock.now().toISOString(), severity: 'warning', reason: 'ReportsDropped', message });
};

/**
 * Counts the invalid entries of a report, and logs a warning. The hub takes the other entries.
 */
export const noteMended = (
  { frame, problems = [] }: Extract<DecodedAgentFrame, { ok: true }>,
  context: Pick<FrameContext, 'state' | 'budget' | 'logger'>,
): void => {
  const { state } = context;
  if (frame.type !== 'report') return;
  state.reports.mended = problems.length + (frame.full ? 0 : state.reports.mended);
  if (problems.length === 0) return;
  const fields = { seq: frame.seq, count: problems.length, problems: problems.slice(0, 5) };
  logLimited(context, 'warn', fields, 'entries of a report are not valid');
};

/** Caches the digests of what clusters report of themselves, as that may be large. */
const clusterDigest = weakMemo(digestOfCluster);
const baselineDigest = weakMemo(digestOfBaseline);

/**
 * Returns the state of a cluster's reports for its agent.
 *
 * @param isNew whether the agent has accepted no commit, so that its predecessor's baseline is
 * dropped
 */
export const reportedStateOf = (known: ClusterRecord | null, isNew = false): ReportedState => ({
  seq: known?.reportedSeq ?? 0,
  policies: known === null ? EMPTY_DIGEST : reportedDigest(known),
  cluster: known?.report == null ? null : clusterDigest(known.report),
  baseline: isNew || known?.baseline == null ? null : baselineDigest(known.baseline),
});

/**
 * Requests a full report for what was left out of the cluster's record, once there is room for it.
 */
const askForRest = async (context: FrameContext): Promise<void> => {
  const { cluster, state, deps, logger } = context;
  if (isIncomplete(context) || !(await deps.ledger.hasRoom(cluster)) || state.reports.requestsForRest.take(1) === 0) return;
  logger.info('room for policies that were left out');
  askForAll(context);
};

/**
 * Ends the turn of an agent once the hub has all that it reports. If the hub's record differs after
 * the last frame of a report, an earlier report was lost.
 *
 * @param isOfFull whether the frame belongs to a full report
 * @param record of the cluster after the frame
 */
const noteTaken = ({ more }: Frame<'report'>, isOfFull: boolean, record: ClusterRecord | null, context: FrameContext): void => {
  const { state, resync, deps } = context;
  const { reports } = state;
  reports.unfinished = more ? { at: deps.clock.monotonicMs(), isFull: isOfFull } : undefined;
  if (more) return;
  // If entries were invalid, the record never agrees with the digest of what the agent has sent.
  const isComplete = reports.mended > 0 || !isDiverged(record);
  if (!isComplete) askForLost(context);
  else if (isOfFull) resync.end();
};

/** Most reports that wait for their acknowledgement: an agent sends up to 32 without one. */
const MAX_UNACKNOWLEDGED = 16;

/** Acknowledges the reports that the ledger has taken. */
export const acknowledge = ({ state: { reports }, send }: Pick<FrameContext, 'state' | 'send'>): void => {
  if (reports.acknowledged === reports.taken) return;
  reports.acknowledged = reports.taken;
  send({ type: 'reported', seq: reports.taken });
};

/** Whether a report only moves the baseline, or what the cluster reports of itself. */
const isQuiet = ({ full, deviations, policies, removed, events }: Frame<'report'>): boolean =>
  !full && deviations.length + policies.length + removed.length + events.length === 0;

/** A report that the ledger has taken. */
interface TakenReport {
  readonly frame: Frame<'report'>;
  /** Whether it belongs to a full report. */
  readonly isOfFull: boolean;
  /** Record of the cluster before it. */
  readonly known: ClusterRecord | null;
}

/**
 * Acknowledges a report that was taken. From the second commit of a cluster on, a quiet one is
 * acknowledged with the next ping, as most agents report nothing else about a commit.
 */
const noteAcknowledged = ({ frame, isOfFull, known }: TakenReport, context: FrameContext): void => {
  const { reports } = context.state;
  reports.taken = frame.seq;
  const isFirst = known?.acked == null;
  const mayWait = !isFirst && isQuiet(frame) && !isOfFull && frame.seq - reports.acknowledged < MAX_UNACKNOWLEDGED;
  if (!mayWait) acknowledge(context);
};

/**
 * Takes a report, and the answer to an offer that comes with it. A delta counts only on top of the
 * one before it; otherwise the hub asks for everything again. @throws as {@link takeAck}
 */
export const takeReport = async (frame: Frame<'report'>, context: FrameContext): Promise<void> => {
  const { cluster, stream, deps } = context;
  const answer = frame.ack && noteAck(frame.ack, context);
  const facts = frame.cluster ?? frame.revision;
  if (facts !== undefined) noteVerified(facts.verifiedRevision ?? null, context);
  const isTaken = await applyReport(frame, answer, context);
  if (answer === undefined) return;
  if (!isTaken) await deps.ledger.setAck(cluster, answer, stream);
  await compareAck(answer, context);
};

/** Acknowledges a report that the ledger has taken, and asks for what it still lacks. */
const noteApplied = async (taken: TakenReport, context: FrameContext): Promise<void> => {
  const { cluster, deps } = context;
  const { frame, isOfFull } = taken;
  deps.metrics.reported();
  noteAcknowledged(taken, context);
  const record = await deps.ledger.cluster(cluster);
  noteTaken(frame, isOfFull, record, context);
  await askForList(frame.baseline, context);
  const notKept = record?.notKept ?? null;
  if (notKept === null) return;
  await noteNotKept(notKept, context);
  await askForRest(context);
};

/** Applies a report. @returns whether the ledger took it, and with it the answer */
const applyReport = async (frame: Frame<'report'>, answer: AckedRevision | undefined, context: FrameContext): Promise<boolean> => {
  const { cluster, stream, closed, state, budget, deps } = context;
  // Ignores deltas that were in flight when the hub asked for a full report.
  if (!frame.full && state.reports.resyncing) return false;
  const known = await deps.ledger.cluster(cluster);
  const askAgain = async (): Promise<false> => {
    await askForMissing(context, known, { message: 'report out of order', seq: frame.seq });
    return false;
  };
  // Before the events are charged, as they come again.
  if (!frame.full && frame.seq !== (known?.reportedSeq ?? 0) + 1) return askAgain();
  // Before the lookup, which may take as long as the database is unavailable.
  const isOfFull = frame.full || continuesFull(context);
  await lookUpList(frame.baseline, context);
  if (closed.aborted) return false;
  state.reports.resyncing = false;
  const admitted = budget.admit(frame.events);
  try {
    const { cpuMs } = await deps.ledger.applyReport(cluster, { ...frame, answer, events: [...admitted.events] }, stream);
    budget.spendCpu(cpuMs);
  } catch (error) {
    if (!(error instanceof ReportGapError)) throw error;
    // Another hub has taken a report meanwhile.
    admitted.undo();
    return askAgain();
  }
  await noteApplied({ frame, isOfFull, known }, context);
  return true;
};

/**
 * Whether the ledger should have all that the agent has sent. Otherwise the digests cannot agree
 * before the next full report.
 */
const isWhole = (known: ClusterRecord | null, { reports }: FrameContext['state']): boolean =>
  reports.mended === 0 && (known?.notKept ?? null) === null;

/** Requests a full report if the ledger's record differs from what the agent has sent. */
const compareDigest = async (frame: Frame<'digest'>, known: ClusterRecord | null, context: FrameContext): Promise<void> => {
  const { seq, policies } = reportedStateOf(known);
  const isToAgree = isWhole(known, context.state);
  if (frame.seq !== seq || (isToAgree && frame.digest !== policies)) {
    await askForMissing(context, known, { message: 'digests of reports differ', seq: frame.seq });
  } else if (isToAgree && isDiverged(known)) askForLost(context);
};

/**
 * Compares the digest of all that an agent has reported with the ledger, and answers with the
 * digest of what the agent should have.
 */
export const takeDigest = async (frame: Frame<'digest'>, context: FrameContext): Promise<void> => {
  const { cluster, state, deps } = context;
  const known = await deps.ledger.cluster(cluster);
  await compareDigest(frame, known, context);
  await askForList(known?.baseline ?? null, context);
  await askForRest(context);
  if (state.commits.revision !== null) sendDigest(state.commits.revision, known?.reportedSeq ?? 0, context);
};

const sendDigest = (revision: string, seq: number, { cluster, deps, send }: FrameContext): void => {
  const digest = deps.targets.digestOf(cluster, revision);
  if (digest !== undefined) send({ type: 'digest', digest, seq });
};
