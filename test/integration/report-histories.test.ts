import { randomUUID } from 'node:crypto';
import { setImmediate as tick } from 'node:timers/promises';
import { type Condition, type PolicyReport, type PolicySummary, policyKey } from '@fso/shared/api';
import { type CompiledCluster, compileFleet } from '@fso/shared/compile';
import { type AgentFrame, decodeAgentFrame, encodeFrame } from '@fso/shared/protocol';
import { type Clock, createLogger, systemClock } from '@fso/shared/runtime';
import { standingOf } from '@fso/shared/status';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type AcceptedPolicies, type AgentSnapshot, LiveObservatory } from '../../agent/observe/index.ts';
import { EventOutbox, Reporter } from '../../agent/report/index.ts';
import { acceptedOf, inputOf, PROFILE, seenCluster, withReports } from '../../agent/report/testing/seen-cluster.ts';
import { createSessionState, type FrameContext } from '../../hub/delivery/frame-handlers.ts';
import { DEFAULT_AGENT_LIMITS } from '../../hub/delivery/index.ts';
import { RevisionTargets } from '../../hub/delivery/offers/revision-targets.ts';
import { AgentBudget } from '../../hub/delivery/pacing/agent-budget.ts';
import { reportedStateOf, takeDigest, takeReport } from '../../hub/delivery/reports/take-report.ts';
import { type ClusterRecord, type Ledger, openLedger } from '../../hub/ledger/index.ts';
import { FleetIndex } from '../../hub/serve/fleet/fleet-index.ts';
import { clusterFile, policyFile, setOf } from '../../shared/decode/testing/decoded.ts';
import { policyReport } from '../harness/policy-reports.ts';
import { startPostgres, type TestPostgres } from '../harness/postgres.ts';
import { waitFor } from '../harness/waiting.ts';
import { LOCAL, type Moment, NAMES, noteMoment, readHistory } from './known-history.ts';

/**
 * The agent's reporter and the hub's handling of its frames, on two hubs with one database: what
 * the hub shows must be what the agent sees.
 */

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

const fleetFiles = [clusterFile('eu', ['eu-west-1']), clusterFile('us', ['us-east-1'])];
const everywhere = (name: string, spec: Parameters<typeof policyFile>[1] = {}) => policyFile(name, { targetNamespace: 'n1', ...spec });
/**
 * Successive commits of a fleet: policies are added, changed, removed and expired, and some are not
 * for all clusters.
 */
const COMMITS = [
  [everywhere('a'), everywhere('b', { targetNamespace: 'n2' }), everywhere('c', { targetNamespace: 'n*' })],
  [
    everywhere('a', { allowedRegions: ['us-east-1'] }),
    everywhere('b', { targetNamespace: 'n2', placement: { clusterNames: ['us'] } }),
    everywhere('c', { targetNamespace: 'n*' }),
    everywhere('d', { expiryDate: TIME }),
  ],
  [
    everywhere('b', { targetNamespace: 'n2' }),
    everywhere('c', { targetNamespace: 'n*' }),
    everywhere('d', { expiryDate: '2999-01-01T00:00:00Z' }),
    everywhere('e', { enforcementAction: 'dryrun' }),
  ],
].map((files) => setOf(...fleetFiles, ...files));
const LISTS: readonly ReadonlyMap<string, CompiledCluster>[] = COMMITS.map((set) => compileFleet(set));

const pursue = async (hub: Ledger, commit: number): Promise<void> => {
  const set = COMMITS[commit] as (typeof COMMITS)[number];
  const clusters = new Map([...(LISTS[commit] ?? [])].map(([name, { policies }]) => [name, policies]));
  await hub.setDesired({ revision: String(commit + 1).repeat(40), set, clusters });
};

let postgres: TestPostgres;
let url: string;
const hubs: Ledger[] = [];
const open = async (): Promise<Ledger> => {
  const hub = await openLedger(
    { database: { url }, history: { days: 1, events: 1000 }, clock: systemClock, random: Math.random, logger },
    new AbortController().signal,
  );
  for (const commit of COMMITS.keys()) await pursue(hub, commit);
  return hub;
};

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
  { phase: 'Failed', message: 'refused' },
  { phase: 'Pending', enforcement: { ...conforming.enforcement, gatekeeper: pendingLock } },
  { violations: 2 },
  { conditions: [conflict] },
];
const state = fc.record({
  commit: fc.constantFrom(0, 1, 2, 2),
  /** Cluster of whose list it has a copy. */
  of: fc.constantFrom('eu', 'us'),
  namespaces: fc.subarray(['n1', 'n2', 'n3']),
  floor: fc.boolean(),
  changed: fc.dictionary(fc.constantFrom(...NAMES), fc.constantFrom(...VARIANTS), { maxKeys: 3, noNullPrototype: true }),
  local: fc.option(fc.constantFrom({}, ...VARIANTS)),
});
type State = typeof state extends fc.Arbitrary<infer T> ? T : never;
/**
 * An agent connects to one of the hubs in a state, of its frames only the first ones arrive, and
 * that hub may start again before.
 */
const step = fc.record({ seen: state, hub: fc.nat(1), arrive: fc.nat(4), restarts: fc.boolean() });

type Sight = { readonly accepted: AcceptedPolicies; readonly snapshot: AgentSnapshot };

/** Builds what the agent of a cluster in a state sees. @param version never used before */
const sightOf = ({ commit, of, namespaces, floor, changed, local }: State, version: number): Sight => {
  const policies = LISTS[commit]?.get(of)?.policies ?? [];
  const inputs = policies.map((policy) => inputOf(policy));
  const cluster = seenCluster({ policies: inputs, namespaces, profile: { ...PROFILE, floor }, asOf: hasty.now() });
  const changes = Object.entries(changed).map(([key, { conditions = [], ...change }]): [string, Partial<PolicyReport>] => {
    const before = cluster.policies.get(key)?.report.conditions ?? [];
    const others = before.filter(({ type }) => conditions.every((condition) => condition.type !== type));
    return [key, { ...change, conditions: [...others, ...conditions] }];
  });
  const seen = withReports(cluster, Object.fromEntries(changes));
  const report = policyReport('x', { namespace: 'team-a', managedBy: 'local', message: 'of x', ...local });
  const entry = { report, generation: 1, observedGeneration: 1, proven: true, violations: [] };
  const all = local === null ? seen.policies : new Map([...seen.policies, [LOCAL, entry]]);
  return { accepted: acceptedOf(policies, { version }), snapshot: { ...seen, policies: all } };
};

/** A cluster: its agent and the stream of that agent. */
class Cluster {
  readonly name: string = `cluster-${randomUUID()}`;
  readonly #observatory: LiveObservatory;
  readonly #reporter: Reporter;
  #frames: AgentFrame[] = [];
  #accepted: AcceptedPolicies;

  constructor({ accepted, snapshot }: Sight) {
    this.#accepted = accepted;
    this.#observatory = new LiveObservatory(snapshot);
    this.#reporter = new Reporter({
      observatory: this.#observatory,
      outbox: new EventOutbox({ clock: hasty, logger }),
      clock: hasty,
      logger,
      revisions: () => ({ revision: null, provenRevision: null, verification: 'unverified' }),
      accepted: () => this.#accepted,
      // So little room that most states need several frames.
      room: { entries: 2, bytes: 100_000 },
    });
  }

  run(signal: AbortSignal): Promise<void> {
    return this.#reporter.run(signal).catch(() => undefined);
  }

  see({ accepted, snapshot }: Sight): void {
    this.#accepted = accepted;
    this.#observatory.publish(snapshot);
  }

  /**
   * Connects to a hub; up to a number of frames arrive there, and what the hub answers arrives
   * here.
   */
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
    const turn = { isWaiting: false, take: (ask: () => void) => ask(), end: nothing };
    const metrics = { connected: nothing, offered: nothing, nacked: nothing, reported: nothing };
    return {
      cluster: this.name,
      stream,
      state: createSessionState(systemClock),
      budget: new AgentBudget(systemClock, DEFAULT_AGENT_LIMITS),
      deps: { ledger, clock: systemClock, metrics, targets: new RevisionTargets(), logger } as unknown as FrameContext['deps'],
      logger,
      closed: new AbortController().signal,
      resync: turn,
      listing: turn,
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

/** Summaries as pages and API show them, without the times. */
const shown = (record: ClusterRecord): Omit<PolicySummary, 'lastUpdated'>[] =>
  new FleetIndex()
    .update({ desired: null, clusters: [record] })
    .policies()
    .map((policy) => {
      const { lastUpdated: _time, ...summary } = policy.summary();
      return summary;
    });

type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

const goThrough = async (cluster: Cluster, { hub, arrive, restarts }: Omit<Step, 'seen'>, sight: Sight): Promise<Moment> => {
  if (restarts) {
    await hubs[hub]?.close();
    hubs[hub] = await open();
  }
  cluster.see(sight);
  await cluster.exchange(hubs[hub] as Ledger, arrive);
  return noteMoment(hubs[hub] as Ledger, cluster.name);
};

/** Facts of a policy that are known without its agent. */
const knownOf = (report: PolicyReport) => {
  const { managedBy, targetNamespace, enforcementAction, effectiveRegions, namespaces, expiryDate } = report;
  const { reason: _code, ...standing } = standingOf(report);
  return { managedBy, targetNamespace, enforcementAction, effectiveRegions, namespaces, expiryDate, standing };
};

/**
 * Checks that a hub finally shows the same as after full reports. The commit since which a policy
 * reads the same is the hub's own.
 */
const expectFull = async (hub: Ledger, cluster: string, { snapshot }: Sight): Promise<void> => {
  const record = (await hub.cluster(cluster)) as ClusterRecord;
  const seen = [...snapshot.policies.values()].map(({ report }) => report);
  const full = seen.map((report): [string, PolicyReport] => {
    const { revision } = record.policies.get(policyKey(report)) ?? report;
    return [policyKey(report), { ...report, ...(revision !== undefined && { revision }) }];
  });
  expect(record.divergedSince).toBeNull();
  expect(shown(record)).toEqual(shown({ ...record, policies: new Map(full) }));
  const read = new Map([...record.policies].map(([key, report]) => [key, knownOf(report)]));
  expect(read).toEqual(new Map(seen.map((report) => [policyKey(report), knownOf(report)])));
};

it('shows and remembers at both hubs what full reports would, after any losses and restarts', async () => {
  let version = 0;
  const see = (seen: State): Sight => {
    version += 1;
    return sightOf(seen, version);
  };
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 6 }), state, async (steps, drawn) => {
      const stop = new AbortController();
      const last = see({ ...drawn, commit: 2 });
      const cluster = new Cluster(last);
      const running = cluster.run(stop.signal);
      const moments: Moment[] = [];
      for (const { seen, ...rest } of steps) moments.push(await goThrough(cluster, rest, see(seen)));
      moments.push(await goThrough(cluster, { hub: 0, arrive: 50, restarts: false }, last));
      stop.abort();
      await running;
      for (const hub of hubs) await waitFor(() => expectFull(hub, cluster.name, last));
      for (const { at, known } of moments) for (const hub of hubs) expect(await readHistory(hub, cluster.name, at)).toEqual(known);
    }),
    { numRuns: 25, endOnFailure: true },
  );
});
