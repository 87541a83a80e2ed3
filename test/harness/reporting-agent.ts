import { randomUUID } from 'node:crypto';
import type { PolicyReport } from '@fso/shared/api';
import { type CompiledPolicy, digestOfPolicies } from '@fso/shared/compile';
import type { FakeClock } from '@fso/shared/fake-clock';
import { type AgentFrame, decodeAgentFrame, encodeFrame, type HubFrame, type Report } from '@fso/shared/protocol';
import { createLogger } from '@fso/shared/runtime';
import type { ClusterProfile } from '@fso/shared/status';
import type { PolicyInput } from '../../agent/enforce/index.ts';
import { type AcceptedPolicies, type AgentSnapshot, LiveObservatory } from '../../agent/observe/index.ts';
import { EventOutbox, Reporter } from '../../agent/report/index.ts';
import { acceptedOf, inputOf, PROFILE, seenCluster, withReports } from '../../agent/report/testing/seen-cluster.ts';
import { advanceProven, isRevisionProven } from '../../agent/status/index.ts';
import { allowAnswer, createSessionState, type FrameContext, takeAck } from '../../hub/delivery/frame-handlers.ts';
import { DEFAULT_AGENT_LIMITS } from '../../hub/delivery/index.ts';
import { AgentBudget } from '../../hub/delivery/pacing/agent-budget.ts';
import { ResyncTurn } from '../../hub/delivery/pacing/resync-turn.ts';
import { takeListed } from '../../hub/delivery/reports/lists.ts';
import { isDiverged, isIncomplete } from '../../hub/delivery/reports/resync.ts';
import { reportedStateOf, takeDigest, takeReport } from '../../hub/delivery/reports/take-report.ts';
import type { ReportedHub } from './reported-hub.ts';

const logger = createLogger({ name: 'test', level: 'silent' });

/** Cluster as its agent sees it. */
export interface Sight {
  /** Accepted revision; null if there is none. */
  readonly revision: string | null;
  /** Policies of that revision for the cluster; undefined if the agent no longer knows them. */
  readonly list: readonly CompiledPolicy[] | undefined;
  /** Policies in the cluster. */
  readonly lives: readonly PolicyInput[];
  readonly namespaces: readonly string[];
  readonly profile: ClusterProfile;
  readonly asOf: Date;
  /** Namespaces in which lock 1 is not proven. */
  readonly unproven: ReadonlySet<string>;
  /** Differences in the reports of policies; undefined if the cluster does not show the policy. */
  readonly reports: Readonly<Record<string, Partial<PolicyReport> | undefined>>;
  /** Generation of the accepted content, if it is not 1; undefined if it is not in the cluster. */
  readonly generations: Readonly<Record<string, number | undefined>>;
  readonly cluster: Partial<AgentSnapshot['cluster']>;
}

const NOTHING_SEEN: Sight = {
  revision: null,
  list: [],
  lives: [],
  namespaces: [],
  profile: PROFILE,
  asOf: new Date('2026-01-01T00:00:00.000Z'),
  unproven: new Set(),
  reports: {},
  generations: {},
  cluster: { gatekeeper: { state: 'Ready' } },
};

const snapshotOf = ({ lives, reports, cluster, ...seen }: Sight): AgentSnapshot => {
  const snapshot = withReports(seenCluster({ policies: lives, ...seen }), reports);
  return { ...snapshot, cluster: { ...snapshot.cluster, ...cluster } };
};

/** Agent of one cluster. */
export class ReportingAgent {
  readonly name: string;
  /** Transports a report, and may change it; undefined if the report is lost. */
  onWay: (report: Report) => Report | undefined = (report) => report;
  /** Whether frames of the hub are lost. */
  isDeaf: boolean = false;
  /** Sent reports. */
  readonly said: Report[] = [];
  readonly #stop = new AbortController();
  readonly #observatory: LiveObservatory;
  readonly #reporter: Reporter;
  #sight: Sight;
  #accepted: AcceptedPolicies | undefined;
  #version = 0;
  #proven: string | null = null;
  #frames: AgentFrame[] = [];
  #context: FrameContext | undefined;
  #closing = new AbortController();
  #isConfirmed: boolean = false;

  constructor(name: string, clock: FakeClock, sight: Partial<Sight>) {
    this.name = name;
    this.#sight = this.#seen(NOTHING_SEEN, sight);
    this.#observatory = new LiveObservatory(snapshotOf(this.#sight));
    this.#reporter = new Reporter({
      observatory: this.#observatory,
      outbox: new EventOutbox({ clock, logger }),
      clock,
      logger,
      revisions: (snapshot) => ({
        revision: this.#sight.revision,
        provenRevision: this.#provenBy(snapshot),
        verification: 'unverified',
      }),
      accepted: () => this.#accepted,
    });
    this.#reporter.run(this.#stop.signal).catch(() => undefined);
  }

  get sight(): Sight {
    return this.#sight;
  }

  /** Current snapshot of the agent. */
  get snapshot(): AgentSnapshot {
    return this.#observatory.snapshot();
  }

  /**
   * Changes the cluster; omitted fields stay the same. If it accepts a commit, the agent
   * acknowledges that.
   */
  async see(change: Partial<Sight>): Promise<void> {
    const before = this.#sight.revision;
    this.#sight = this.#seen(this.#sight, change);
    this.#observatory.publish(snapshotOf(this.#sight));
    this.#reporter.poke();
    if (this.#sight.revision !== before) await this.#ack();
  }

  /** Opens a stream to a hub, like a session after its hello. */
  async connect(hub: ReportedHub): Promise<void> {
    this.disconnect();
    this.#closing = new AbortController();
    this.#isConfirmed = false;
    const { revision } = this.#sight;
    const isNew = revision === null;
    const context = this.#contextOf(hub, this.#closing.signal);
    const reported = reportedStateOf(await hub.ledger.cluster(this.name), isNew);
    await hub.ledger.openStream(this.name, context.stream, { isNew });
    if (revision !== null) await hub.ledger.setAck(this.name, { revision, digest: null }, context.stream);
    this.#context = context;
    this.#reporter.connected((frame) => void this.#frames.push(frame), reported);
  }

  disconnect(): void {
    this.#reporter.disconnected();
    this.#closing.abort();
    this.#context = undefined;
    this.#frames = [];
  }

  /** Sends a heartbeat if connected. */
  async pong(): Promise<void> {
    if (this.#context !== undefined) await this.#context.deps.ledger.noteSeen(this.name, this.#context.stream);
  }

  /** Closes its stream, which the hub notices. */
  async goAway(): Promise<void> {
    const { deps, stream } = this.#context ?? {};
    this.disconnect();
    await deps?.ledger.setConnected(this.name, false, stream);
  }

  stop(): void {
    this.disconnect();
    this.#stop.abort();
  }

  /**
   * Delivers all sent frames.
   *
   * @returns whether there were any
   */
  async arrive(): Promise<boolean> {
    const frames = this.#frames.splice(0);
    for (const frame of frames) if (this.#context !== undefined) await this.#arrive(frame, this.#context);
    return frames.length > 0;
  }

  async #arrive(sent: AgentFrame, context: FrameContext): Promise<void> {
    if (sent.type === 'report') this.said.push(sent);
    const frame = sent.type === 'report' ? this.onWay(sent) : sent;
    if (frame === undefined) return;
    const decoded = decodeAgentFrame(encodeFrame(frame));
    if (!decoded.ok) throw new Error(decoded.error);
    if (decoded.frame.type === 'report') await takeReport(decoded.frame, context);
    if (decoded.frame.type === 'digest') await takeDigest(decoded.frame, context);
    if (decoded.frame.type === 'listed') await takeListed(decoded.frame, context);
    if (decoded.frame.type === 'report') await this.#confirm(context);
  }

  /** Confirms the stream once a report has completed the state at the hub. */
  async #confirm(context: FrameContext): Promise<void> {
    const { ledger } = context.deps;
    if (this.#isConfirmed || isIncomplete(context) || isDiverged(await ledger.cluster(this.name))) return;
    this.#isConfirmed = true;
    await ledger.confirmStream(this.name, context.stream);
  }

  #take(frame: HubFrame): void {
    if (this.isDeaf) return;
    if (frame.type === 'reported') this.#reporter.acknowledged(frame.seq);
    if (frame.type === 'resync') this.#reporter.resync();
    if (frame.type === 'list') this.#reporter.list(frame.list);
  }

  async #ack(): Promise<void> {
    const { revision, list = [] } = this.#sight;
    if (this.#context === undefined || revision === null) return;
    allowAnswer(this.#context.state.commits, revision, 'named');
    await takeAck({ type: 'ack', revision, digest: digestOfPolicies(list) }, this.#context);
  }

  #seen(before: Sight, change: Partial<Sight>): Sight {
    const lives = change.list?.map((policy) => inputOf(policy)) ?? before.lives;
    const sight = { ...before, lives, ...change };
    const { list, generations } = sight;
    const generationOf = (key: string): number | undefined => (Object.hasOwn(generations, key) ? generations[key] : 1);
    this.#version += 1;
    this.#accepted = list && { ...acceptedOf(list, { generationOf }), version: this.#version };
    return sight;
  }

  #provenBy(snapshot: AgentSnapshot): string | null {
    const { revision } = this.#sight;
    if (this.#accepted !== undefined && revision !== null)
      this.#proven = advanceProven(this.#proven, { revision, proven: isRevisionProven(this.#accepted, snapshot.policies) });
    return this.#proven;
  }

  #contextOf({ ledger, clock, targets, resyncs }: ReportedHub, closed: AbortSignal): FrameContext {
    return {
      cluster: this.name,
      stream: { id: randomUUID(), isOpen: () => !closed.aborted },
      closed,
      state: createSessionState(clock),
      budget: new AgentBudget(clock, DEFAULT_AGENT_LIMITS),
      deps: { ledger, clock, metrics: { reported: () => undefined }, targets } as unknown as FrameContext['deps'],
      logger,
      resync: new ResyncTurn(resyncs, clock, closed),
      listing: new ResyncTurn(resyncs, clock, closed),
      send: (frame) => this.#take(frame),
    };
  }
}
