import type { PolicyReport } from '@fso/shared/api';
import { type AgentFrame, type DecodedAgentFrame, digestOfReports, type HubFrame } from '@fso/shared/protocol';
import type pino from 'pino';
import { isRepeated } from '../ledger/changes.ts';
import type { AgentStream } from '../ledger/types.ts';
import type { AgentBudget } from './agent-budget.ts';
import type { SessionState } from './session-state.ts';
import type { DeliveryDeps } from './types.ts';

/** What the frames of one agent are taken in with. `cluster` is the proven identity; frames carry none that counts. */
export interface IntakeContext {
  readonly cluster: string;
  readonly stream: AgentStream;
  readonly state: SessionState;
  readonly budget: AgentBudget;
  readonly send: (frame: HubFrame) => void;
  readonly deps: DeliveryDeps;
  readonly logger: pino.Logger;
}

type Frame<T extends AgentFrame['type']> = Extract<AgentFrame, { type: T }>;

const isKnown = (revision: string, { state, logger }: IntakeContext): boolean => {
  if (state.known.has(revision)) return true;
  logger.warn({ revision }, 'answer to a revision that was not offered');
  return false;
};

const sendDigest = (revision: string, seq: number, { cluster, deps, send }: IntakeContext): void => {
  const digest = deps.digestOf(cluster, revision);
  if (digest !== undefined) send({ type: 'digest', digest, seq });
};

/** Once, until everything has come. */
const askForAll = ({ state, send }: IntakeContext): void => {
  state.resyncing = true;
  send({ type: 'resync' });
};

export const takeAck = async (frame: Frame<'ack'>, context: IntakeContext): Promise<void> => {
  const { cluster, stream, state, budget, deps, logger } = context;
  const { revision, digest } = frame;
  if (!isKnown(revision, context)) return;
  if (state.offered.has(revision)) budget.vouch(revision);
  state.revision = revision;
  state.holds = revision;
  state.anchor = revision;
  await deps.ledger.setAck(cluster, { revision, digest }, stream);
  logger.info({ revision }, 'revision acked');
  const expected = deps.digestOf(cluster, revision);
  if (expected === undefined || expected === digest) return;
  logger.error({ revision }, 'digest of ack differs');
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

/** Whether people are to hear of it: it says something new, and the agent has not said too much of late. */
const isTold = async ({ revision, reasons }: Frame<'nack'>, { cluster, budget, deps }: IntakeContext): Promise<boolean> => {
  const known = await deps.ledger.cluster(cluster);
  return !isRepeated(known?.nack, { revision, reasons }) && budget.mayComplain();
};

export const takeNack = async (frame: Frame<'nack'>, context: IntakeContext): Promise<void> => {
  const { cluster, stream, state, deps, logger } = context;
  const { revision, reasons } = frame;
  if (!isKnown(revision, context)) return;
  // It may have been for want of an object; the next offer then repeats everything.
  state.holds = null;
  if (state.heading === revision) state.heading = null;
  deps.metrics.nacked();
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

/** Counts, and warns of, the entries of a report that its schema refused; the others are taken in all the same. */
export const noteMended = (
  { frame, problems = [] }: Extract<DecodedAgentFrame, { ok: true }>,
  { state, logger }: Pick<IntakeContext, 'state' | 'logger'>,
): void => {
  if (frame.type !== 'report') return;
  state.mended = problems.length + (frame.full ? 0 : state.mended);
  if (problems.length > 0 && state.mayTellMended()) {
    logger.warn({ seq: frame.seq, count: problems.length, problems: problems.slice(0, 5) }, 'entries of a report are not valid');
  }
};

/** A full report in several frames: what is to come stays as it was, so that nothing goes and comes back. */
const withKept = ({ kept = [], ...report }: Frame<'report'>, known: ReadonlyMap<string, PolicyReport> | undefined): Frame<'report'> =>
  report.full ? { ...report, policies: [...report.policies, ...kept.flatMap((key) => known?.get(key) ?? [])] } : report;

/** A delta is only taken on top of the one before it; otherwise everything is asked for again. */
export const takeReport = async (frame: Frame<'report'>, context: IntakeContext): Promise<void> => {
  const { cluster, stream, state, budget, deps, send, logger } = context;
  // Deltas that were on their way when everything was asked for.
  if (!frame.full && state.resyncing) return;
  const known = await deps.ledger.cluster(cluster);
  if (!frame.full && frame.seq !== (known?.reportedSeq ?? 0) + 1) {
    logger.info({ seq: frame.seq, known: known?.reportedSeq }, 'report out of order');
    askForAll(context);
    return;
  }
  state.resyncing = false;
  const taken = withKept(frame, known?.policies);
  await deps.ledger.applyReport(cluster, { ...taken, events: [...budget.admitEvents(frame.events)] }, stream);
  deps.metrics.reported();
  send({ type: 'reported', seq: frame.seq });
};

export const takeDigest = async (frame: Frame<'digest'>, context: IntakeContext): Promise<void> => {
  const { cluster, state, deps, logger } = context;
  const known = await deps.ledger.cluster(cluster);
  const seq = known?.reportedSeq ?? 0;
  const reports = [...(known?.policies.values() ?? [])];
  const differs = state.mended === 0 && frame.digest !== digestOfReports(reports);
  if (!state.resyncing && (frame.seq !== seq || differs)) {
    logger.info({ seq: frame.seq, known: seq }, 'digests of reports differ');
    askForAll(context);
  }
  if (state.revision !== null) sendDigest(state.revision, seq, context);
};
