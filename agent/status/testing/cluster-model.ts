import type { SovereignPolicy, SovereignPolicyStatus } from '@fso/shared/api';
import { FakeClock } from '../../../shared/runtime/testing/fake-clock.ts';
import type { Pod } from '../../cache/index.ts';
import { type GatekeeperProblem, type Governance, type PolicyInput, planGovernance, type WriteFailure } from '../../enforce/index.ts';
import { namespaceOf, policyOf } from '../../enforce/testing/policies.ts';
import type { ClusterPlan } from '../../plan/index.ts';
import type { ProbeState, ProofState } from '../../probe/index.ts';

/** Names of the namespaces. */
export const NAMES = ['finance', 'payments', 'trading'] as const;
export type Name = (typeof NAMES)[number];

const EXPIRY = '2026-01-09T00:00:00Z';
/** Policies with different features, two for one namespace each and one for all. */
export const POLICIES: readonly PolicyInput[] = [
  policyOf('finance', { targetNamespace: 'finance', allowedRegions: ['eu-west-1'], placementInjection: true, expiryDate: EXPIRY }),
  policyOf('payments', { targetNamespace: 'payments', allowedRegions: ['eu-west-1'], enforcementAction: 'warn' }),
  policyOf('all', { targetNamespace: '*', allowedRegions: ['eu-west-1', 'us-east-1'], enforcementAction: 'dryrun' }),
];

/** State of the proof of a lock. */
export type Answer = 'pending' | 'proven' | 'failed' | 'unanswered';
export const ANSWERS = ['pending', 'proven', 'failed', 'unanswered'] as const;

const messageOf = (state: Answer): string | undefined => (state === 'proven' ? undefined : 'not proven');

/** Cluster as all that the status of policies follows from. What changes is another object. */
export class ClusterModel {
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
  readonly canaries = new Map<string, ProofState>();
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

  /** Takes statuses as the API server does, unless it refuses them. */
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
