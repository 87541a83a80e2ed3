import { policyKeyOf, type SovereignPolicy, type SovereignPolicyStatus } from '@fso/shared/api';
import { USUAL_PLACE } from '@fso/shared/compile';
import type { ClusterView } from '../../cache/index.ts';
import type { WriteFailure } from '../../enforce/index.ts';
import type { AgentMetrics } from '../../metrics.ts';
import { type EventSink, LiveObservatory, TamperLog } from '../../observe/index.ts';
import type { Capabilities } from '../../plan/index.ts';
import type { Probers } from '../../probe/index.ts';
import { LockMonitor } from '../lock-monitor.ts';
import { StatusPublisher } from '../status-publisher.ts';
import type { ClusterModel } from './cluster-model.ts';

const CAPABILITIES: Capabilities = { kubernetesVersion: 'v1.36.0', floor: true, bindGate: 'label', injection: 'v1' };
const CLUSTER = {
  agentVersion: 'test',
  kubernetesVersion: 'v1.36.0',
  gatekeeper: { state: 'Absent' },
  nodesByRegion: {},
  conditions: [],
} as const;

/** Answers of the probes of a modelled cluster. */
const probersOf = (model: ClusterModel): Probers =>
  ({
    lockOne: {
      state: (name: string) => model.probes.get(name),
      get outage() {
        return model.outages.one;
      },
      pendingCount: 0,
    },
    lockTwo: {
      state: (name: string) => model.canaries.get(name),
      get outage() {
        return model.outages.two;
      },
      problem: undefined,
    },
    guard: { problem: undefined },
    index: {
      state: () =>
        model.outages.index === undefined
          ? { state: 'proven' }
          : { state: model.outages.index === 'mute' ? 'failed' : 'unanswered', message: model.outages.index },
    },
  }) as unknown as Probers;

/** View of a modelled cluster, as far as the publisher looks. */
const viewOf = (model: ClusterModel): ClusterView =>
  ({
    templates: {
      get served() {
        return model.gatekeeperServed;
      },
    },
    assertRead: () => undefined,
    mutatingPolicies: { served: true },
    mutatingBindings: { served: true },
    admissionPolicies: { list: () => [] },
    places: { inForce: {}, assertKnown: () => undefined, list: () => [], byName: new Map() },
    namespaces: { get: (name: string) => model.namespaces.get(name), list: () => [...model.namespaces.values()] },
    podsIn: (name: string) => model.pods.get(name) ?? [],
    livePolicyOf: ({ key }: { key: string }) => model.live.get(key),
  }) as unknown as ClusterView;

/** A publisher of the status of a modelled cluster, with its output. */
export class PublisherHarness {
  readonly model: ClusterModel;
  readonly tampering = new TamperLog();
  readonly observatory: LiveObservatory = new LiveObservatory({ policies: new Map(), cluster: { ...CLUSTER, conditions: [] } });
  readonly events: unknown[] = [];
  readonly statuses: SovereignPolicyStatus[] = [];
  readonly #publisher: StatusPublisher;

  readonly #isForgetful: boolean;
  #rounds = 0;

  /**
   * @param isForgetful has every policy judged in every round, by a failure and a namespace that
   *   concern none and are others each time
   */
  constructor(model: ClusterModel, isForgetful: boolean) {
    this.model = model;
    const { clock } = model;
    const view = viewOf(model);
    this.#isForgetful = isForgetful;
    const unrelated = (): WriteFailure => ({ key: 'Other/x', policies: ['team/unrelated'], error: `round ${this.#rounds}`, failures: 1 });
    const failures = () => (isForgetful ? [...model.failures, unrelated()] : model.failures);
    const monitor = new LockMonitor({ clock, view, capabilities: CAPABILITIES, probers: probersOf(model), failures, graceMs: 30_000 });
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
      risks: { look: () => ({ policies: new Map(), problem: undefined }) },
      denials: { look: () => ({ cluster: undefined, policies: new Map(), problem: undefined }) },
      violationTimes: { take: () => new Map(), keep: () => undefined } as never,
      parts: { run: (_part, work) => work() },
      observation: { problems: () => () => undefined, isShown: () => model.isUnobserved },
      wake: () => undefined,
    });
  }

  /** @returns the statuses that were written, by policy */
  async publish(): Promise<ReadonlyMap<string, SovereignPolicyStatus>> {
    this.#rounds += 1;
    const indexed = new Set([...this.model.indexed, ...(this.#isForgetful ? [`round-${this.#rounds}`] : [])]);
    const writes = this.#publisher.publish(this.model.plan(), indexed, this.model.clock.now());
    const written = new Map<string, SovereignPolicyStatus>();
    for (const { policies, run } of writes) {
      await run(new AbortController().signal);
      const status = this.statuses.at(-1);
      if (status !== undefined) written.set(policies[0] ?? '', status);
    }
    return written;
  }
}
