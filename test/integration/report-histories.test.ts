import { randomUUID } from 'node:crypto';
import { setImmediate as tick } from 'node:timers/promises';
import { type Condition, isShortReport, type PolicyReport, type PolicySummary, policyKey } from '@fso/shared/api';
import { type AgentFrame, decodeAgentFrame, encodeFrame } from '@fso/shared/protocol';
import { type Clock, createLogger, systemClock } from '@fso/shared/runtime';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { LiveObservatory } from '../../agent/observe/index.ts';
import { EventOutbox, Reporter, toSend } from '../../agent/report/index.ts';
import { createSessionState, type FrameContext, reportedStateOf, takeDigest, takeReport } from '../../hub/delivery/frame-handlers.ts';
import { DEFAULT_AGENT_LIMITS } from '../../hub/delivery/index.ts';
import { RevisionTargets } from '../../hub/delivery/offers.ts';
import { AgentBudget } from '../../hub/delivery/pacing/agent-budget.ts';
import { type ClusterRecord, type Ledger, openLedger } from '../../hub/ledger/index.ts';
import { createFleetIndex } from '../../hub/serve/fleet/fleet-index.ts';
import { policyReport } from '../harness/policy-reports.ts';
import { startPostgres, type TestPostgres } from '../harness/postgres.ts';
import { waitFor } from '../harness/waiting.ts';

/** The agent's reporter and the hub's handling of its frames, on two hubs with one database: what the hub shows must be what the agent sees. */

const TIME = '2026-01-01T00:00:00Z';
const logger = createLogger({ name: 'test', level: 'silent' });
/** The pauses of the reporter are not what is tested. */
let slept = 0;
const hasty: Clock = {
  ...systemClock,
  monotonicMs: () => systemClock.monotonicMs() + slept,
  sleep: (ms) => {
    slept += ms;
    return tick();
  },
};

let postgres: TestPostgres;
let url: string;
const hubs: Ledger[] = [];
const open = (): Promise<Ledger> =>
  openLedger(
    { database: { url }, history: { days: 1, events: 1000 }, clock: systemClock, random: Math.random, logger },
    new AbortController().signal,
  );

beforeAll(async () => {
  postgres = await startPostgres();
  url = await postgres.createDatabase();
  hubs.push(await open(), await open());
});
afterAll(async () => {
  for (const hub of hubs) await hub.close();
  await postgres.stop();
});

const conflict: Condition = { type: 'Conflict', status: 'True', reason: 'NoRegionLeft', message: 'none left', lastTransitionTime: TIME };
const pendingLock = { state: 'Pending' as const, since: TIME, message: 'not proven yet' };
const conforming = policyReport('any');
const VARIANTS: readonly Partial<PolicyReport>[] = [
  {},
  { namespaces: ['a', 'b'] },
  { phase: 'Expired', expiryDate: TIME },
  { phase: 'Failed', message: 'refused' },
  { phase: 'Pending', enforcement: { ...conforming.enforcement, gatekeeper: pendingLock } },
  { violations: 2 },
  { conditions: [conflict] },
  { managedBy: 'local', namespace: 'team-a' },
];

const state = fc
  .uniqueArray(fc.tuple(fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f'), fc.constantFrom(...VARIANTS)), { selector: ([name]) => name })
  .map((all) => all.map(([name, variant]) => policyReport(name, { message: `of ${name}`, ...variant })));
/** An agent connects to one of the hubs in a state, of its frames only the first ones arrive, and that hub may start again before. */
const step = fc.record({ reports: state, hub: fc.nat(1), arrive: fc.nat(4), restarts: fc.boolean() });

/** One cluster: its agent, and the stream that it has. */
class Cluster {
  readonly name: string = `cluster-${randomUUID()}`;
  readonly #observatory = new LiveObservatory(this.#snapshot([]));
  readonly #reporter: Reporter;
  #frames: AgentFrame[] = [];

  constructor() {
    const outbox = new EventOutbox({ clock: hasty, logger });
    const revisions = () => ({ revision: null, provenRevision: null, verification: 'unverified' }) as const;
    // So little room that most states need several frames.
    const room = { entries: 2, bytes: 100_000 };
    this.#reporter = new Reporter({ observatory: this.#observatory, outbox, clock: hasty, logger, revisions, room });
  }

  run(signal: AbortSignal): Promise<void> {
    return this.#reporter.run(signal).catch(() => undefined);
  }

  #snapshot(reports: readonly PolicyReport[]) {
    const policies = reports.map(
      (report) => [policyKey(report), { report, generation: 1, observedGeneration: 1, proven: true, violations: [] }] as const,
    );
    const gatekeeper = { state: 'Ready' as const };
    return {
      policies: new Map(policies),
      cluster: { agentVersion: 'test', kubernetesVersion: 'v1', gatekeeper, nodesByRegion: {}, conditions: [] },
    };
  }

  see(reports: readonly PolicyReport[]): void {
    this.#observatory.publish(this.#snapshot(reports));
  }

  /** Connects to a hub; up to a number of frames arrive there, and what the hub answers arrives here. */
  async exchange(ledger: Ledger, arrive: number): Promise<void> {
    const stream = { id: randomUUID(), isOpen: () => true };
    const reported = reportedStateOf(await ledger.cluster(this.name));
    await ledger.openStream(this.name, stream);
    this.#frames = [];
    const context = this.#contextOf(ledger, stream);
    this.#reporter.connected((frame) => void this.#frames.push(frame), reported);
    for (let taken = 0; taken < arrive; taken += 1) {
      await this.#settle();
      const frame = this.#frames.shift();
      if (frame === undefined) break;
      await this.#arrive(frame, context);
    }
    this.#reporter.disconnected();
  }

  async #arrive(sent: AgentFrame, context: FrameContext): Promise<void> {
    const decoded = decodeAgentFrame(encodeFrame(sent));
    if (!decoded.ok) throw new Error(decoded.error);
    if (decoded.frame.type === 'report') await takeReport(decoded.frame, context);
    if (decoded.frame.type === 'digest') await takeDigest(decoded.frame, context);
  }

  #contextOf(ledger: Ledger, stream: FrameContext['stream']): FrameContext {
    const nothing = (): void => undefined;
    const metrics = { connected: nothing, offered: nothing, nacked: nothing, reported: nothing };
    return {
      cluster: this.name,
      stream,
      state: createSessionState(systemClock),
      budget: new AgentBudget(systemClock, DEFAULT_AGENT_LIMITS),
      deps: { ledger, clock: systemClock, metrics, targets: new RevisionTargets(), logger } as unknown as FrameContext['deps'],
      logger,
      resync: { isWaiting: false, take: (ask) => ask(), end: nothing },
      send: (frame) => {
        if (frame.type === 'reported') this.#reporter.acknowledged(frame.seq);
        if (frame.type === 'resync') this.#reporter.resync();
      },
    };
  }

  async #settle(): Promise<void> {
    for (let turn = 0; turn < 8; turn += 1) await tick();
  }
}

/** What pages and API show, but for the times. */
const shown = (record: ClusterRecord): Omit<PolicySummary, 'lastUpdated'>[] =>
  createFleetIndex()
    .update({ desired: null, clusters: [record] })
    .policies()
    .map((policy) => {
      const { lastUpdated: _time, ...summary } = policy.summary();
      return summary;
    });

const NAMES = ['a', 'b', 'c', 'd', 'e', 'f'];
const KEYS: readonly string[] = NAMES.flatMap((name) => [name, `team-a/${name}`]);

/** What the history says of a policy, or would say of a report. */
interface Said {
  readonly phase: string;
  readonly conforms: boolean;
  readonly violates: boolean;
}
const saidOf = (report: PolicyReport | undefined): Said | null =>
  report === undefined ? null : { phase: report.phase, conforms: isShortReport(report), violates: report.violations > 0 };

/** What a hub knows of each policy of a cluster, at a time that no later change shares. */
interface Moment {
  readonly at: string;
  readonly known: ReadonlyMap<string, Said | null>;
}
const noteMoment = async (hub: Ledger, cluster: string): Promise<Moment> => {
  const { policies } = (await hub.cluster(cluster)) as ClusterRecord;
  const at = new Date();
  await waitFor(() => expect(Date.now()).toBeGreaterThan(at.getTime()));
  return { at: at.toISOString(), known: new Map(KEYS.map((key) => [key, saidOf(policies.get(key))])) };
};

const readHistory = async (hub: Ledger, cluster: string, at: string): Promise<Moment['known']> => {
  const known = new Map<string, Said | null>();
  for (const policy of KEYS) {
    const found = (await hub.policyStateAt({ cluster, policy, at })).policy?.value ?? null;
    known.set(policy, found && { phase: found.phase, conforms: found.conforms, violates: found.violates });
  }
  return known;
};

interface Step {
  readonly reports: readonly PolicyReport[];
  readonly hub: number;
  readonly arrive: number;
  readonly restarts: boolean;
}

const goThrough = async (cluster: Cluster, { reports, hub, arrive, restarts }: Step): Promise<Moment> => {
  if (restarts) {
    await hubs[hub]?.close();
    hubs[hub] = await open();
  }
  cluster.see(reports);
  await cluster.exchange(hubs[hub] as Ledger, arrive);
  return noteMoment(hubs[hub] as Ledger, cluster.name);
};

/** What a hub shows in the end is what full reports would have said. */
const expectFull = async (hub: Ledger, cluster: string, last: readonly PolicyReport[]): Promise<void> => {
  const record = (await hub.cluster(cluster)) as ClusterRecord;
  const full = { ...record, policies: new Map(last.map((report) => [policyKey(report), report])) };
  expect(shown(record)).toEqual(shown(full));
  const deviating = [...record.policies.values()].filter((report) => !isShortReport(report));
  const expected = last.filter((report) => toSend(report) === report);
  expect(new Map(deviating.map((report) => [policyKey(report), report]))).toEqual(
    new Map(expected.map((report) => [policyKey(report), report])),
  );
};

it('whatever is lost, whichever hub restarts and takes the next report, both hubs show what full reports would, and know later what they knew when', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 6 }), state, async (steps, last) => {
      const stop = new AbortController();
      const cluster = new Cluster();
      const running = cluster.run(stop.signal);
      const moments: Moment[] = [];
      for (const each of steps) moments.push(await goThrough(cluster, each));
      moments.push(await goThrough(cluster, { reports: last, hub: 0, arrive: 50, restarts: false }));
      stop.abort();
      await running;
      for (const hub of hubs) await waitFor(() => expectFull(hub, cluster.name, last));
      const sent = new Map(last.map((report) => [policyKey(report), toSend(report)]));
      expect(moments.at(-1)?.known).toEqual(new Map(KEYS.map((key) => [key, saidOf(sent.get(key))])));
      for (const { at, known } of moments) for (const hub of hubs) expect(await readHistory(hub, cluster.name, at)).toEqual(known);
    }),
    { numRuns: 25, endOnFailure: true },
  );
});
