import { policyKeyOf, type SovereignPolicy, type SovereignPolicyStatus } from '@fso/shared/api';
import { USUAL_PLACE } from '@fso/shared/compile';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FakeClock } from '../../shared/runtime/testing/fake-clock.ts';
import type { ClusterView, Pod } from '../cache/index.ts';
import { type GatekeeperProblem, type Governance, planGovernance, type WriteFailure } from '../enforce/index.ts';
import { namespaceOf, policyOf } from '../enforce/testing/policies.ts';
import type { AgentMetrics } from '../metrics.ts';
import { type EventSink, LiveObservatory, TamperLog } from '../observe/index.ts';
import type { Capabilities, ClusterPlan } from '../plan/index.ts';
import type { CanaryState, Probers, ProbeState } from '../probe/index.ts';
import { LockMonitor } from './lock-monitor.ts';
import { StatusPublisher } from './status-publisher.ts';

const NAMES = ['finance', 'payments', 'trading'] as const;
type Name = (typeof NAMES)[number];

const EXPIRY = '2026-01-09T00:00:00Z';
const POLICIES = [
  policyOf('finance', { targetNamespace: 'finance', allowedRegions: ['eu-west-1'], placementInjection: true, expiryDate: EXPIRY }),
  policyOf('payments', { targetNamespace: 'payments', allowedRegions: ['eu-west-1'], enforcementAction: 'warn' }),
  policyOf('all', { targetNamespace: '*', allowedRegions: ['eu-west-1', 'us-east-1'], enforcementAction: 'dryrun' }),
];
const CAPABILITIES: Capabilities = { kubernetesVersion: 'v1.36.0', floor: true, bindGate: 'label', injection: 'v1' };
const CLUSTER = {
  agentVersion: 'test',
  kubernetesVersion: 'v1.36.0',
  gatekeeper: { state: 'Absent' },
  nodesByRegion: {},
  conditions: [],
} as const;

type Answer = 'pending' | 'proven' | 'failed' | 'unanswered';
const ANSWERS = ['pending', 'proven', 'failed', 'unanswered'] as const;

const messageOf = (state: Answer): string | undefined => (state === 'proven' ? undefined : 'not proven');

/** All that the status of policies follows from, as it stands; what changes is another object. */
class World {
  readonly clock: FakeClock = new FakeClock(new Date('2026-01-03T10:30:00Z'));
  policies = POLICIES;
  readonly live = new Map<string, SovereignPolicy>(
    POLICIES.map(({ key, namespace, name, spec }) => [
      key,
      { apiVersion: 'v1', kind: 'SovereignPolicy', metadata: { namespace, name, uid: key, generation: 1 }, spec } as SovereignPolicy,
    ]),
  );
  readonly namespaces = new Map<string, { metadata: { name: string; labels: Record<string, string> } }>(
    NAMES.map((name) => [name, { metadata: { name, labels: {} } }]),
  );
  readonly pods = new Map<string, readonly Pod[]>(NAMES.map((name) => [name, []]));
  readonly probes = new Map<string, ProbeState>();
  readonly canaries = new Map<string, CanaryState>();
  readonly unapplied = new Set<string>();
  readonly unlisted = new Set<string>();
  readonly indexed = new Set<string>();
  readonly missing = new Set<string>();
  readonly notInForce = new Set<string>();
  /** Namespaces that the configuration of Gatekeeper's webhook leaves out. */
  readonly exclusions = new Map<string, GatekeeperProblem>();
  webhookProblem: GatekeeperProblem | undefined;
  failures: readonly WriteFailure[] = [];
  floorWhole: boolean = true;
  injectionInstalled: boolean = true;
  gatekeeperServed: boolean = true;
  refusesStatuses: boolean = false;
  isUnobserved: boolean = false;
  outages: { one?: string; two?: string; index?: string } = {};
  #governance: Governance | undefined;

  constructor() {
    for (const name of NAMES) {
      this.probe(name, 'proven');
      this.ask(name, 'proven');
    }
  }

  probe(name: Name, state: Answer): void {
    this.probes.set(name, { fingerprint: '', state, message: messageOf(state), first: false, held: false });
  }

  ask(name: Name, state: Answer): void {
    this.canaries.set(name, { fingerprint: '', state, message: messageOf(state) });
  }

  /** The API server has taken a write, unless it refuses those of statuses. */
  write(statuses: ReadonlyMap<string, SovereignPolicyStatus>): void {
    if (this.refusesStatuses) return;
    for (const [key, status] of statuses) {
      const policy = this.live.get(key);
      if (policy !== undefined) this.live.set(key, { ...policy, status });
    }
  }

  plan(): ClusterPlan {
    const inputs = NAMES.map((name) => namespaceOf(name));
    this.#governance = planGovernance(this.policies, inputs, this.clock.now(), { previous: this.#governance });
    const governance = this.#governance;
    const constraintsByPolicy = new Map<string, string[]>();
    for (const { name, policies } of governance.constraints)
      for (const policy of policies) constraintsByPolicy.set(policy, [...(constraintsByPolicy.get(policy) ?? []), name]);
    const of = (name: string): string => name.slice(0, name.lastIndexOf('-'));
    return {
      policies: this.policies,
      governance,
      constraintsByPolicy,
      unapplied: this.unapplied,
      unlisted: this.unlisted,
      floorWhole: this.floorWhole,
      guardWhole: true,
      isInjectionInPlace: this.injectionInstalled,
      overflow: { nodes: 0, namespaces: 0, patterns: 0 },
      enforcedConstraints: [],
      templateProblem: undefined,
      webhook: { problem: this.webhookProblem, exclusion: (name: string) => this.exclusions.get(name) },
      constraintExists: (name: string) => !this.missing.has(of(name)),
      constraintProblem: (name: string) => (this.notInForce.has(of(name)) ? { message: `${of(name)} waits`, isError: false } : undefined),
    } as unknown as ClusterPlan;
  }
}

/** A publisher in a world, with its output. */
class Told {
  readonly world: World;
  readonly tampering = new TamperLog();
  readonly observatory: LiveObservatory = new LiveObservatory({ policies: new Map(), cluster: { ...CLUSTER, conditions: [] } });
  readonly events: unknown[] = [];
  readonly statuses: SovereignPolicyStatus[] = [];
  readonly #publisher: StatusPublisher;

  readonly #isForgetful: boolean;
  #rounds = 0;

  /**
   * @param isForgetful has every policy judged in every round, by a failure and a namespace that
   * concern none and are others each time
   */
  constructor(world: World, isForgetful: boolean) {
    this.world = world;
    const { clock } = world;
    const probers = {
      lockOne: {
        state: (name: string) => world.probes.get(name),
        get outage() {
          return world.outages.one;
        },
        pendingCount: 0,
      },
      lockTwo: {
        state: (name: string) => world.canaries.get(name),
        get outage() {
          return world.outages.two;
        },
        problem: undefined,
      },
      guard: { problem: undefined },
      index: {
        state: () =>
          world.outages.index === undefined
            ? { state: 'proven' }
            : { state: world.outages.index === 'mute' ? 'failed' : 'unanswered', message: world.outages.index },
      },
    } as unknown as Probers;
    const view = {
      templates: {
        get served() {
          return world.gatekeeperServed;
        },
      },
      assertRead: () => undefined,
      mutatingPolicies: { served: true },
      mutatingBindings: { served: true },
      admissionPolicies: { list: () => [] },
      nodes: { list: () => [] },
      nodesByName: new Map(),
      namespaces: { get: (name: string) => world.namespaces.get(name), list: () => [...world.namespaces.values()] },
      podsIn: (name: string) => world.pods.get(name) ?? [],
      livePolicyOf: ({ key }: { key: string }) => world.live.get(key),
    } as unknown as ClusterView;
    this.#isForgetful = isForgetful;
    const unrelated = (): WriteFailure => ({ key: 'Other/x', policies: ['team/unrelated'], error: `round ${this.#rounds}`, failures: 1 });
    const failures = () => (isForgetful ? [...world.failures, unrelated()] : world.failures);
    const monitor = new LockMonitor({ clock, view, capabilities: CAPABILITIES, probers, failures, graceMs: 30_000 });
    const client = {
      apply: async (_kind: unknown, { status }: { status: SovereignPolicyStatus }) => void this.statuses.push(status),
    };
    const events = {
      ofPolicy: (policy: SovereignPolicy, event: unknown) => this.events.push([policyKeyOf(policy), event]),
      reportOnly: (policy: SovereignPolicy, event: unknown) => this.events.push([policyKeyOf(policy), event]),
      ofCluster: (event: unknown) => this.events.push(event),
    } as unknown as EventSink;
    this.#publisher = new StatusPublisher({
      clock,
      capabilities: CAPABILITIES,
      place: USUAL_PLACE,
      monitor,
      context: { client, view } as never,
      outputs: { observatory: this.observatory, events, metrics: { measure: () => undefined } as unknown as AgentMetrics },
      tampering: this.tampering,
      revisions: { accepted: undefined, isChanging: false },
      onProven: () => undefined,
      violationTimes: { take: () => new Map(), keep: () => undefined } as never,
      parts: { run: (_part, work) => work() },
      observation: { problems: () => () => undefined, isShown: () => world.isUnobserved },
      wake: () => undefined,
    });
  }

  /** @returns the statuses that were written, by policy */
  async publish(): Promise<ReadonlyMap<string, SovereignPolicyStatus>> {
    this.#rounds += 1;
    const indexed = new Set([...this.world.indexed, ...(this.#isForgetful ? [`round-${this.#rounds}`] : [])]);
    const writes = this.#publisher.publish(this.world.plan(), indexed, this.world.clock.now());
    const written = new Map<string, SovereignPolicyStatus>();
    for (const { policies, run } of writes) {
      await run(new AbortController().signal);
      const status = this.statuses.at(-1);
      if (status !== undefined) written.set(policies[0] ?? '', status);
    }
    return written;
  }
}

const toggle = (set: Set<string>, item: string): void => void (set.delete(item) || set.add(item));
const stray = (name: Name): Pod =>
  ({ metadata: { name: 'stray', namespace: name, uid: name }, spec: { nodeName: 'gone' } }) as unknown as Pod;
const failing = (key: string, policies: readonly string[]): WriteFailure => ({ key, policies, error: 'refused', failures: 5 });

interface Change {
  readonly what: string;
  readonly apply: (worlds: World, told: readonly Told[]) => Promise<void> | void;
}

const FLAGS = ['floorWhole', 'injectionInstalled', 'gatekeeperServed', 'refusesStatuses', 'isUnobserved'] as const;
const flip =
  (flag: (typeof FLAGS)[number]): Change['apply'] =>
  (world) => {
    world[flag] = !world[flag];
  };
const assign =
  (state: Partial<Pick<World, 'failures' | 'outages' | 'webhookProblem'>>): Change['apply'] =>
  (world) =>
    void Object.assign(world, state);

const name = fc.constantFrom(...NAMES);
const answer = fc.constantFrom(...ANSWERS);
const action = fc.constantFrom('geo-deny', 'geo-warn', 'geo-dryrun');
const change = (what: string, apply: Change['apply']): Change => ({ what, apply });
const anyChange: fc.Arbitrary<Change> = fc.oneof(
  fc.constantFrom(10, 1_500, 40_000, 3_700_000, 5 * 86_400_000).map((ms) => change(`${ms} ms`, ({ clock }) => clock.advance(ms))),
  fc.tuple(name, answer).map(([of, state]) => change(`lock 1 of ${of} ${state}`, (world) => world.probe(of, state))),
  fc.tuple(name, answer).map(([of, state]) => change(`lock 2 of ${of} ${state}`, (world) => world.ask(of, state))),
  name.map((of) => change(`labels of ${of} wait`, ({ unapplied }) => toggle(unapplied, of))),
  name.map((of) => change(`index has ${of}`, ({ indexed }) => toggle(indexed, of))),
  fc.constantFrom(...POLICIES.map(({ key }) => key)).map((key) => change(`index lacks ${key}`, ({ unlisted }) => toggle(unlisted, key))),
  name.map((of) =>
    change(`labels of ${of}`, ({ namespaces, clock }) => {
      namespaces.set(of, { metadata: { name: of, labels: { 'compliance.gov/at': String(clock.monotonicMs()) } } });
    }),
  ),
  name.map((of) => change(`pods of ${of}`, ({ pods }) => void pods.set(of, pods.get(of)?.length === 0 ? [stray(of)] : []))),
  name.map((of) =>
    change(`the webhook leaves ${of} out`, ({ exclusions }) => {
      if (!exclusions.delete(of)) exclusions.set(of, { message: `${of} is left out`, isError: true });
    }),
  ),
  fc
    .constantFrom<GatekeeperProblem | undefined>(undefined, { message: 'objectSelector', isError: true })
    .map((webhookProblem) => change(`webhook: ${webhookProblem?.message}`, assign({ webhookProblem }))),
  action.map((of) => change(`${of} is missing`, ({ missing }) => toggle(missing, of))),
  action.map((of) => change(`${of} is not in force`, ({ notInForce }) => toggle(notInForce, of))),
  fc
    .constantFrom<readonly WriteFailure[]>(
      [],
      [failing('Namespace/finance', ['team/finance'])],
      [failing('K8sGeoResidency/geo-warn-x', ['team/payments'])],
      [failing('ValidatingAdmissionPolicy/fso-floor-pods-deny', [])],
      [failing('MutatingAdmissionPolicy/fso-placement-injection', [])],
    )
    .map((failures) => change(`failing ${failures[0]?.key}`, assign({ failures }))),
  fc.constantFrom(...FLAGS).map((flag) => change(flag, flip(flag))),
  fc
    .constantFrom({}, { one: 'open' }, { two: 'away' }, { index: 'mute' }, { index: 'silent' })
    .map((outages) => change('outages', assign({ outages }))),
  name.map((of) =>
    change(`tampering with ${of}`, ({ clock }, told) => {
      for (const { tampering } of told) tampering.add([`team/${of}`], { time: clock.now().toISOString(), message: 'changed' });
    }),
  ),
  fc.constantFrom(...POLICIES.map(({ key }) => key)).map((key) =>
    change(`status of ${key}`, ({ live }) => {
      const policy = live.get(key);
      if (policy !== undefined) live.set(key, { ...policy, status: { phase: 'Active' } as SovereignPolicyStatus });
    }),
  ),
  fc.constantFrom(0, 1, 2).map((index) =>
    change(`policy ${index} comes or goes`, (world) => {
      const one = POLICIES[index];
      world.policies = one === undefined || world.policies.includes(one) ? POLICIES.filter((other) => other !== one) : POLICIES;
    }),
  ),
);

describe('StatusPublisher', () => {
  it('shows in the cluster that it is not observed, and back, while the report stays as it is', async () => {
    const world = new World();
    const publisher = new Told(world, false);
    const settle = async (): Promise<void> => {
      for (let round = 0; round < 5; round += 1) {
        world.write(await publisher.publish());
        await world.clock.advance(2_000);
      }
    };
    await settle();
    const before = publisher.observatory.snapshot().policies;
    const phases = (): unknown[] => [...world.live.values()].map(({ status }) => status?.phase);
    const wasActive = phases();
    expect(wasActive).toContain('Active');
    world.isUnobserved = true;
    await settle();
    expect(phases()).not.toContain('Active');
    for (const { status } of world.live.values()) {
      const ready = status?.conditions?.find(({ type }) => type === 'Ready');
      if (status?.phase === 'Pending') expect(ready).toMatchObject({ status: 'Unknown', reason: 'NotObserved' });
      expect(Object.values(status?.enforcement ?? {}).map(({ state }) => state)).not.toContain('Enforced');
    }
    expect(publisher.observatory.snapshot().policies).toEqual(before);
    world.isUnobserved = false;
    await settle();
    expect(phases()).toEqual(wasActive);
  });

  it('says of what time its reports are, and what the cluster has, as the same object for as long as it has the same', async () => {
    const world = new World();
    const publisher = new Told(world, false);
    const next = async () => {
      await publisher.publish();
      return publisher.observatory.snapshot();
    };
    const first = await next();
    expect(first).toMatchObject({
      asOf: world.clock.now(),
      profile: { floor: true, gatekeeper: true, injection: true, gatekeeperNamespace: 'gatekeeper-system' },
    });
    await world.clock.advance(10_000);
    const second = await next();
    expect(second.asOf).toEqual(world.clock.now());
    expect(second.profile).toBe(first.profile);
    world.gatekeeperServed = false;
    expect((await next()).profile).toEqual({ ...first.profile, gatekeeper: false });
  });

  it('says the same as one that judges every policy in every round', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.array(anyChange, { maxLength: 2 }), { minLength: 3, maxLength: 12 }), async (rounds) => {
        const world = new World();
        const [remembering, forgetful] = [new Told(world, false), new Told(world, true)] as const;
        for (const changes of rounds) {
          for (const { apply } of changes) await apply(world, [remembering, forgetful]);
          const written = await remembering.publish();
          expect(written).toEqual(await forgetful.publish());
          expect(remembering.observatory.snapshot()).toEqual(forgetful.observatory.snapshot());
          expect(remembering.events).toEqual(forgetful.events);
          world.write(written);
        }
      }),
      { numRuns: 600 },
    );
  });
});
