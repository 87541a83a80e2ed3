import { type PolicyReport, policyKey } from '@fso/shared/api';
import {
  type AgentFrame,
  type DecodedAgentFrame,
  digestOfCluster,
  EMPTY_DIGEST,
  type HubFrame,
  type Reason,
  type ReportedState,
} from '@fso/shared/protocol';
import { type Clock, createBucket, type Logger, weakMemo } from '@fso/shared/runtime';
import { type AgentStream, type ClusterRecord, isRepeated, ReportGapError } from '../ledger/index.ts';
import { noteNotKept } from './not-kept.ts';
import type { AgentBudget } from './pacing/agent-budget.ts';
import type { ResyncTurn } from './pacing/resync-turn.ts';
import type { DeliveryDeps, NackClass } from './types.ts';

/** Where an agent is among the commits. */
export interface AgentCommits {
  /** Commit whose objects the agent has. */
  holds: string | null;
  /** Commit that the next one has to be shown to descend from. */
  anchor: string | null;
  /** Commit the agent enforces. */
  revision: string | null;
  /** Commit that the agent got last and enforces or will enforce; null: the hub does not know. */
  heading: string | null;
  /** Newest revision that the agent should enforce. */
  target: string | null;
  /** Revisions that the agent may ack or nack: the one that it came with and those that it was offered. */
  readonly known: Set<string>;
  /** Revisions that the hub offered: one of them that the agent acks it really has, whatever it says by itself. */
  readonly offered: Set<string>;
}

/** How the reports of an agent come in. */
export interface ReportProgress {
  /** The agent was asked for a full report that has not come yet. */
  resyncing: boolean;
  /** Keys of the policies that the next frames of a full report have to bring. */
  toCome: Set<string>;
  /** Entries since the last full report that the hub did not take as they came: until the next full one the digests cannot agree. */
  mended: number;
  /** Bounds how often the agent is asked for everything because there is room again for what was left out. */
  readonly mayAskForRest: () => boolean;
}

/** Sequences of checkpoints of the audit log. */
export interface CheckpointProgress {
  /** Of the one that the agent keeps, or was sent last. */
  kept: number | null;
  /** Of the one that this stream sent last. */
  sent: number | null;
}

/** What a session knows about its agent; it ends with the connection. */
export interface SessionState {
  readonly commits: AgentCommits;
  readonly reports: ReportProgress;
  readonly checkpoints: CheckpointProgress;
}

const RESTS = { burst: 1, perSecond: 1 / 60 };

/** The state before a hello. */
export const createSessionState = (clock: Clock): SessionState => ({
  commits: { holds: null, anchor: null, revision: null, heading: null, target: null, known: new Set(), offered: new Set() },
  reports: { resyncing: false, toCome: new Set(), mended: 0, mayAskForRest: createBucket(clock, RESTS) },
  checkpoints: { kept: null, sent: null },
});

/** What the handlers of frames work with. `cluster` is the proven identity; frames carry none that counts. */
export interface FrameContext {
  readonly cluster: string;
  readonly stream: AgentStream;
  readonly state: SessionState;
  readonly budget: AgentBudget;
  readonly send: (frame: HubFrame) => void;
  readonly resync: Pick<ResyncTurn, 'take' | 'end' | 'isWaiting'>;
  readonly deps: DeliveryDeps;
  readonly logger: Logger;
}

type Frame<T extends AgentFrame['type']> = Extract<AgentFrame, { type: T }>;

type LogContext = Pick<FrameContext, 'budget' | 'logger'>;

/** Logs what an agent can cause without end: once it does so too often, at level debug. */
export const logLimited = ({ budget, logger }: LogContext, level: 'info' | 'warn' | 'error', fields: object, message: string): void =>
  logger[budget.mayLog(message) ? level : 'debug'](fields, message);

const isKnown = (revision: string, context: FrameContext): boolean => {
  if (context.state.commits.known.has(revision)) return true;
  logLimited(context, 'warn', { revision }, 'answer to a revision that was not offered');
  return false;
};

const sendDigest = (revision: string, seq: number, { cluster, deps, send }: FrameContext): void => {
  const digest = deps.targets.digestOf(cluster, revision);
  if (digest !== undefined) send({ type: 'digest', digest, seq });
};

/** Asks the agent for a full report, when it is its turn; what it reports before that counts as ever. */
const askForAll = ({ state, send, resync }: FrameContext): void =>
  resync.take(() => {
    state.reports.resyncing = true;
    send({ type: 'resync' });
  });

/** A full report is wanted and has not come, whether the agent was asked for it or waits for its turn. */
export const isIncomplete = ({ state, resync }: FrameContext): boolean => state.reports.resyncing || resync.isWaiting;

/** Takes an answer to an offer: the agent enforces the revision. @throws StreamReplacedError and whatever the ledger throws */
export const takeAck = async (frame: Frame<'ack'>, context: FrameContext): Promise<void> => {
  const { cluster, stream, state, budget, deps, logger } = context;
  const { revision, digest } = frame;
  if (!isKnown(revision, context)) return;
  if (state.commits.offered.has(revision)) budget.vouch(revision);
  state.commits.revision = revision;
  state.commits.holds = revision;
  state.commits.anchor = revision;
  await deps.ledger.setAck(cluster, { revision, digest }, stream);
  logger.debug({ revision }, 'revision acked');
  const expected = deps.targets.digestOf(cluster, revision);
  if (expected === undefined || expected === digest) return;
  logLimited(context, 'error', { revision }, 'digest of ack differs');
  if (!budget.mayComplain()) return;
  const message = 'The agent made something else of the revision than the hub; their versions may differ.';
  await deps.ledger.addEvent(cluster, {
    time: deps.clock.now().toISOString(),
    severity: 'alert',
    reason: 'DigestMismatch',
    message,
    revision,
  });
};

/** Agents name what is wrong with the trust in a commit, and of the content only the place. The names themselves are theirs to choose. */
const classOf = (reason: Reason | undefined): NackClass => {
  if (reason?.code === undefined) return 'invalid';
  return reason.code === 'object-missing' ? 'incomplete' : 'untrusted';
};

/** Whether people get to see a refusal: it is new, and the agent has not refused too much of late. */
const isTold = async ({ revision, reasons }: Frame<'nack'>, { cluster, budget, deps }: FrameContext): Promise<boolean> => {
  const known = await deps.ledger.cluster(cluster);
  return !isRepeated(known?.nack, { revision, reasons }) && budget.mayComplain();
};

/** Takes an answer to an offer: the agent refuses the revision. @throws as {@link takeAck} */
export const takeNack = async (frame: Frame<'nack'>, context: FrameContext): Promise<void> => {
  const { cluster, stream, state, deps, logger } = context;
  const { revision, reasons } = frame;
  if (!isKnown(revision, context)) return;
  // It may have been for want of an object; the next offer then repeats everything.
  state.commits.holds = null;
  if (state.commits.heading === revision) state.commits.heading = null;
  deps.metrics.nacked(classOf(reasons[0]));
  const told = await isTold(frame, context);
  if (!told) {
    await deps.ledger.setNack(cluster, { revision, reasons, told }, stream);
    return;
  }
  const message = `The agent refused the revision: ${reasons[0]?.message ?? 'no reason given'}`.slice(0, 4096);
  const time = deps.clock.now().toISOString();
  await Promise.all([
    deps.ledger.setNack(cluster, { revision, reasons }, stream),
    deps.ledger.addEvent(cluster, { time, severity: 'alert', reason: 'RevisionRefused', message, revision }),
  ]);
  logger.warn({ revision, reasons }, 'revision nacked');
};

/** Counts the entries of a report that its schema refused, and warns of them; the hub takes the others all the same. */
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

/** Completes a frame of a full report in several frames: policies that are still to come stay as they were, so that none goes and comes back. */
const withKept = ({ kept = [], ...report }: Frame<'report'>, known: ReadonlyMap<string, PolicyReport> | undefined): Frame<'report'> =>
  report.full ? { ...report, policies: [...report.policies, ...kept.flatMap((key) => known?.get(key) ?? [])] } : report;

/** Digests of what clusters reported of themselves, which is as large as a cluster makes it. */
const clusterDigest = weakMemo(digestOfCluster);

/** How far the reports of a cluster have come, as its agent is told. */
export const reportedStateOf = (known: ClusterRecord | null): ReportedState => ({
  seq: known?.reportedSeq ?? 0,
  policies: known?.reportedDigest ?? EMPTY_DIGEST,
  cluster: known?.report == null ? null : clusterDigest(known.report),
});

/** Asks for what was left out of the cluster's record, once there is room for it. */
const askForRest = async (context: FrameContext): Promise<void> => {
  const { cluster, state, deps, logger } = context;
  if (isIncomplete(context) || !(await deps.ledger.hasRoom(cluster)) || !state.reports.mayAskForRest()) return;
  logger.info('room for policies that were left out');
  askForAll(context);
};

/** Ends the turn of an agent once all frames of its full report have come. */
const noteTaken = (frame: Frame<'report'>, { state: { reports }, resync }: FrameContext): void => {
  if (frame.full) reports.toCome = new Set(frame.kept);
  else if (reports.toCome.size === 0) return;
  for (const key of [...frame.policies.map(policyKey), ...frame.removed]) reports.toCome.delete(key);
  if (reports.toCome.size === 0) resync.end();
};

/** Takes a report. A delta counts only on top of the one before it; otherwise the hub asks for everything again. @throws as {@link takeAck} */
export const takeReport = async (frame: Frame<'report'>, context: FrameContext): Promise<void> => {
  const { cluster, stream, state, budget, deps, send } = context;
  // Deltas that were on their way when the hub asked for everything.
  if (!frame.full && state.reports.resyncing) return;
  const known = await deps.ledger.cluster(cluster);
  const askAgain = (): void => {
    if (isIncomplete(context)) return;
    logLimited(context, 'info', { seq: frame.seq, known: known?.reportedSeq }, 'report out of order');
    askForAll(context);
  };
  // Before its events are charged for: they come again.
  if (!frame.full && frame.seq !== (known?.reportedSeq ?? 0) + 1) return askAgain();
  state.reports.resyncing = false;
  const admitted = budget.events.admit(frame.events);
  try {
    await budget.metered(() => {
      const taken = withKept(frame, known?.policies);
      return deps.ledger.applyReport(cluster, { ...taken, events: [...admitted.events] }, stream);
    });
  } catch (error) {
    if (!(error instanceof ReportGapError)) throw error;
    // Another hub has taken a report meanwhile.
    admitted.undo();
    return askAgain();
  }
  noteTaken(frame, context);
  deps.metrics.reported();
  send({ type: 'reported', seq: frame.seq });
  await noteNotKept(context);
  await askForRest(context);
};

/** Compares the digest of all that an agent has reported with the ledger, and answers with the digest of what the agent should have. */
export const takeDigest = async (frame: Frame<'digest'>, context: FrameContext): Promise<void> => {
  const { cluster, state, deps } = context;
  const known = await deps.ledger.cluster(cluster);
  const seq = known?.reportedSeq ?? 0;
  // Of a record that is not whole the digest is another one; the next full report makes up for it.
  const isWhole = state.reports.mended === 0 && (known?.notKept ?? null) === null;
  const differs = isWhole && frame.digest !== (known?.reportedDigest ?? EMPTY_DIGEST);
  if (!isIncomplete(context) && (frame.seq !== seq || differs)) {
    logLimited(context, 'info', { seq: frame.seq, known: seq }, 'digests of reports differ');
    askForAll(context);
  }
  await askForRest(context);
  if (state.commits.revision !== null) sendDigest(state.commits.revision, seq, context);
};
