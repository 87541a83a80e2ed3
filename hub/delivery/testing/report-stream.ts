import { setImmediate as settle } from 'node:timers/promises';
import { type PolicyReport, policyKey } from '@fso/shared/api';
import { FakeClock } from '@fso/shared/fake-clock';
import type { HubFrame, Report } from '@fso/shared/protocol';
import { pino } from 'pino';
import { digestOfReports, type LooseReport, ReportedNames } from '../../../test/harness/baselines.ts';
import { createMemoryLedger, type MemoryLedgerOptions } from '../../ledger/testing/memory-ledger.ts';
import { createSessionState, type Frame, type FrameContext } from '../frame-handlers.ts';
import { RevisionTargets } from '../offers/revision-targets.ts';
import { AgentBudget, DEFAULT_AGENT_LIMITS } from '../pacing/agent-budget.ts';
import { ResyncTurn } from '../pacing/resync-turn.ts';
import { TurnLimiter } from '../pacing/turn-limiter.ts';
import { takeListed } from '../reports/lists.ts';
import { takeDigest, takeReport } from '../reports/take-report.ts';

/** A hub, with a number of agents at a time that it asks for something. */
const createHub = (options: Omit<MemoryLedgerOptions, 'clock'> = {}, turns = 2) => {
  const clock = new FakeClock();
  return {
    clock,
    ledger: createMemoryLedger({ clock, ...options }),
    targets: new RevisionTargets(),
    resyncs: new TurnLimiter(turns, clock),
  };
};
type Hub = ReturnType<typeof createHub>;

/** The agent of a cluster, what it has reported by name, and what the hub answers. */
const createAgent = ({ clock, ledger, targets, resyncs }: Hub, cluster: string) => {
  const budget = new AgentBudget(clock, DEFAULT_AGENT_LIMITS);
  const sent: HubFrame['type'][] = [];
  const closing = new AbortController();
  const closed = closing.signal;
  const context: FrameContext = {
    cluster,
    stream: { id: cluster, isOpen: () => !closed.aborted },
    closed,
    state: createSessionState(clock),
    budget,
    deps: { ledger, clock, metrics: { reported: () => undefined }, targets } as unknown as FrameContext['deps'],
    send: ({ type }) => void sent.push(type),
    resync: new ResyncTurn(resyncs, clock, closed),
    listing: new ResyncTurn(resyncs, clock, closed),
    logger: pino({ level: 'silent' }),
  };
  const reported = new Map<string, PolicyReport>();
  const names = new ReportedNames();
  let seq = 0;
  /** The agent sends a report, which may be lost on its way. */
  const report = (change: Partial<LooseReport>): Report => {
    seq += 1;
    const frame = names.complete({ type: 'report', seq, full: false, policies: [], removed: [], events: [], ...change });
    if (frame.full) reported.clear();
    for (const policy of frame.policies) reported.set(policyKey(policy), policy);
    for (const key of frame.removed) reported.delete(key);
    return frame;
  };
  /** Begins to take a report, without waiting for the hub to be done with it. */
  const begin = (change: Partial<LooseReport>): Promise<void> => takeReport(report(change), context);
  const settled = async <T>(taking: Promise<T>): Promise<T> => {
    const taken = await taking;
    await settle();
    return taken;
  };
  return {
    cluster,
    budget,
    context,
    sent,
    report,
    begin,
    take: (frame: Report) => settled(takeReport(frame, context)),
    say: (change: Partial<LooseReport>) => settled(begin(change)),
    sayAll: (change: Partial<LooseReport> = {}) => settled(begin({ full: true, policies: [...reported.values()], ...change })),
    compare: () => settled(takeDigest({ type: 'digest', digest: digestOfReports(reported.values()), seq }, context)),
    list: (frame: Omit<Frame<'listed'>, 'type'>) => settled(takeListed({ type: 'listed', ...frame }, context)),
    /** The agent has accepted a commit before. */
    accept: () => ledger.setAck(cluster, { revision: 'f'.repeat(40), digest: 'd' }),
    close: () => closing.abort(),
  };
};

/**
 * The stream of one cluster's reports, on a hub of its own. @param turns agents that are asked for
 * something at a time
 */
export const createReportStream = (options: Omit<MemoryLedgerOptions, 'clock'> = {}, turns = 2) => {
  const hub = createHub(options, turns);
  return { ...hub, ...createAgent(hub, 'eu'), another: (cluster: string) => createAgent(hub, cluster) };
};
