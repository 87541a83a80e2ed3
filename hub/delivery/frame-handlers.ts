import { MAX_MESSAGE } from '@fso/shared/api';
import type { AcceptedRevision, AgentFrame, HubFrame, Reason } from '@fso/shared/protocol';
import { type Allowance, type Clock, createAllowance, dropOldest, type Logger, truncate } from '@fso/shared/runtime';
import { type AckedRevision, type AgentStream, isRepeated } from '../ledger/index.ts';
import type { AgentBudget } from './pacing/agent-budget.ts';
import type { ResyncTurn } from './pacing/resync-turn.ts';
import type { DeliveryDeps, NackClass } from './types.ts';

/** Position of an agent among the commits. */
export interface AgentCommits {
  /** Commit whose objects the agent has. */
  holds: string | null;
  /** Commit that the next one has to be shown to descend from. */
  anchor: string | null;
  /** Newest commit that the agent reports to have verified; null stands for `anchor`. */
  verified: string | null;
  /** Newest commit that the agent was shown on this stream, so that its signers count. */
  shown: string | null;
  /** Commit the agent enforces. */
  revision: string | null;
  /** Commit that the agent got last and enforces or will enforce; null if it is not known. */
  heading: string | null;
  /** Last offer, until it is written: with its answer, or on its own if none comes. */
  offered?: { readonly revision: string; readonly at: Date } | undefined;
  /** Newest revision that the agent should enforce. */
  target: string | null;
  /** Whether the agent has acked or nacked a revision on this stream. */
  hasAnswered: boolean;
  /**
   * Revisions that the agent may ack or nack, the newest last. `named` is the one that it came
   * with, or one that the hub refuses on its behalf. `offered` are those that the hub has offered
   * since the last ack: only the ack of such a revision proves that the agent has it.
   */
  readonly answerable: Map<string, 'named' | 'offered'>;
}

/** Revisions that an agent may answer; the oldest of an agent that never answers is forgotten. */
const MAX_ANSWERABLE = 64;

/** Lets an agent answer a revision. */
export const allowAnswer = ({ answerable }: AgentCommits, revision: string, origin: 'named' | 'offered'): void => {
  // Deleted first, so that the map's order is the order in which they were offered.
  answerable.delete(revision);
  answerable.set(revision, origin);
  dropOldest(answerable, MAX_ANSWERABLE);
};

/**
 * Forgets the revisions before the one that an agent has acked: it answers in the order of the
 * offers.
 */
const forgetAnswered = ({ answerable }: AgentCommits, acked: string): void => {
  for (const revision of answerable.keys()) {
    if (revision === acked) return;
    answerable.delete(revision);
  }
};

/**
 * Removes and returns the time of the offer that an agent answers; undefined if it is written.
 */
const takeOfferedAt = (commits: AgentCommits, revision: string): string | undefined => {
  const { offered } = commits;
  if (offered?.revision !== revision) return undefined;
  commits.offered = undefined;
  return offered.at.toISOString();
};

/** A report of which more frames are to come. */
export interface UnfinishedReport {
  /** Monotonic time at which its last frame came, in milliseconds. */
  readonly at: number;
  /** Whether its first frame was full. */
  readonly isFull: boolean;
}

/** Progress of the reports of an agent. */
export interface ReportProgress {
  /** Whether the agent was asked for a full report that has not come yet. */
  resyncing: boolean;
  /** Report that the next frame continues; undefined if the last one was complete. */
  unfinished: UnfinishedReport | undefined;
  /** Whether the agent has reported the current state of its cluster on this stream. */
  isConfirmed: boolean;
  /** Number of the last report that the ledger has taken. */
  taken: number;
  /** Number of the last report that was acknowledged. */
  acknowledged: number;
  /**
   * Number of invalid entries since the last full report. The hub did not take them as they came,
   * so the digests cannot agree until the next full report.
   */
  mended: number;
  /**
   * Limits how often the agent is asked for everything because there is room again for what was
   * left out.
   */
  readonly requestsForRest: Allowance;
  /**
   * Limits how often the agent is asked for everything because the hub has something else than it
   * reports.
   */
  readonly requestsForLost: Allowance;
}

/** Lists of policies that the agent names and this hub does not know, by digest. */
export interface ListProgress {
  /** Unknown list of the agent's last report; undefined if its list is known, or it has none. */
  unknown: string | undefined;
  /** List that the agent was asked for last: each once, unless the hub forgets it again. */
  asked: string | undefined;
  /** Whether the agent has not answered yet. */
  isOpen: boolean;
  /**
   * Whether its turn is over without an answer: it may be asked again. A late answer still counts.
   */
  isOverdue: boolean;
}

/** Sequences of checkpoints of the audit log. */
export interface CheckpointProgress {
  /** Sequence of the one that the agent keeps, or was sent last. */
  kept: number | null;
  /** Sequence of the one that this stream sent last. */
  sent: number | null;
}

/** State of a session about its agent; it ends with the connection. */
export interface SessionState {
  readonly commits: AgentCommits;
  readonly reports: ReportProgress;
  readonly lists: ListProgress;
  readonly checkpoints: CheckpointProgress;
}

const RESTS = { burst: 1, perSecond: 1 / 60 };
const LOST = { burst: 3, perSecond: 1 / 60 };

/** Creates the state of a session before its hello. */
export const createSessionState = (clock: Clock): SessionState => ({
  commits: {
    holds: null,
    anchor: null,
    verified: null,
    shown: null,
    revision: null,
    heading: null,
    target: null,
    hasAnswered: false,
    answerable: new Map(),
  },
  reports: {
    resyncing: false,
    unfinished: undefined,
    isConfirmed: false,
    taken: 0,
    acknowledged: 0,
    mended: 0,
    requestsForRest: createAllowance(clock, RESTS),
    requestsForLost: createAllowance(clock, LOST),
  },
  lists: { unknown: undefined, asked: undefined, isOpen: false, isOverdue: false },
  checkpoints: { kept: null, sent: null },
});

type Turn = Pick<ResyncTurn, 'take' | 'end' | 'isWaiting'>;

/**
 * Context of the handlers of frames. `cluster` is the proven identity; a cluster that a frame names
 * does not count.
 */
export interface FrameContext {
  readonly cluster: string;
  readonly stream: AgentStream;
  /** Aborted once the connection is closed. */
  readonly closed: AbortSignal;
  readonly state: SessionState;
  readonly budget: AgentBudget;
  readonly send: (frame: HubFrame) => void;
  /** Turn of the agent to send a full report. */
  readonly resync: Turn;
  /** Turn of the agent to name the policies of a list. */
  readonly listing: Turn;
  readonly deps: DeliveryDeps;
  readonly logger: Logger;
}

/** A frame of an agent, by its type. */
export type Frame<T extends AgentFrame['type']> = Extract<AgentFrame, { type: T }>;

type LogContext = Pick<FrameContext, 'budget' | 'logger'>;

/** Logs what an agent can cause without end; beyond its allowance at level debug. */
export const logLimited = ({ budget, logger }: LogContext, level: 'info' | 'warn' | 'error', fields: object, message: string): void =>
  logger[budget.mayLog(message) ? level : 'debug'](fields, message);

const isKnown = (revision: string, context: FrameContext): boolean => {
  if (context.state.commits.answerable.has(revision)) return true;
  logLimited(context, 'warn', { revision }, 'answer to a revision that was not offered');
  return false;
};

/**
 * Notes an answer to an offer: the agent enforces the revision. @returns what the ledger has to
 * record; undefined if the revision was not offered
 */
export const noteAck = ({ revision, digest, heldMs }: AcceptedRevision, context: FrameContext): AckedRevision | undefined => {
  const { state, budget } = context;
  if (!isKnown(revision, context)) return undefined;
  if (state.commits.answerable.get(revision) === 'offered') {
    budget.vouch(revision);
    budget.stalls.clear();
  }
  forgetAnswered(state.commits, revision);
  state.commits.revision = revision;
  state.commits.holds = revision;
  state.commits.anchor = revision;
  // The agent may have dropped the newest commit, if this one does not lead to it.
  state.commits.shown = null;
  return { revision, digest, heldMs, offeredAt: takeOfferedAt(state.commits, revision) };
};

/** Notes the newest commit that an agent reports to have verified; null is the one in force. */
export const noteVerified = (revision: string | null, { state: { commits }, budget }: FrameContext): void => {
  commits.verified = revision;
  if (revision !== null && revision === commits.shown) budget.vouchOnTop(revision, commits.revision);
};

/** Compares the digest of an answer that was recorded with what the hub expects. */
export const compareAck = async ({ revision, digest }: AckedRevision, context: FrameContext): Promise<void> => {
  const { cluster, budget, deps } = context;
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

/** Takes an answer without a report. @throws StreamReplacedError and whatever the ledger throws */
export const takeAck = async (frame: Frame<'ack'>, context: FrameContext): Promise<void> => {
  const answer = noteAck(frame, context);
  if (answer === undefined) return;
  await context.deps.ledger.setAck(context.cluster, answer, context.stream);
  await compareAck(answer, context);
};

/**
 * Class of a refusal. Agents give a code for problems of trust, and only a place for problems of
 * the content. Codes are free text of agents, so no class is made of each.
 */
const classOf = (reason: Reason | undefined): NackClass => {
  if (reason?.code === undefined) return 'invalid';
  return reason.code === 'object-missing' ? 'incomplete' : 'untrusted';
};

/**
 * Whether a refusal is shown to people: it is new, and the agent has not refused too much recently.
 */
const isNotified = async ({ revision, reasons }: Frame<'nack'>, { cluster, budget, deps }: FrameContext): Promise<boolean> => {
  const known = await deps.ledger.cluster(cluster);
  return !isRepeated(known?.nack, { revision, reasons }) && budget.mayComplain();
};

/** Takes an answer to an offer: the agent refuses the revision. @throws as {@link takeAck} */
export const takeNack = async (frame: Frame<'nack'>, context: FrameContext): Promise<void> => {
  const { cluster, stream, state, deps, logger } = context;
  const { revision, reasons } = frame;
  if (!isKnown(revision, context)) return;
  // The agent may have lacked an object, so the next offer repeats everything.
  state.commits.holds = null;
  if (state.commits.heading === revision) state.commits.heading = null;
  deps.metrics.nacked(classOf(reasons[0]));
  const offeredAt = takeOfferedAt(state.commits, revision);
  const told = await isNotified(frame, context);
  if (!told) {
    await deps.ledger.setNack(cluster, { revision, reasons, told, offeredAt }, stream);
    return;
  }
  const message = truncate(`The agent refused the revision: ${reasons[0]?.message ?? 'no reason given'}`, MAX_MESSAGE);
  const time = deps.clock.now().toISOString();
  await Promise.all([
    deps.ledger.setNack(cluster, { revision, reasons, offeredAt }, stream),
    deps.ledger.addEvent(cluster, { time, severity: 'alert', reason: 'RevisionRefused', message, revision }),
  ]);
  logger.warn({ revision, reasons }, 'revision nacked');
};
