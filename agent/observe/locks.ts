import type { FloorAction, LockState, SovereignPolicyStatus } from '@fso/shared/api';
import type { WorkFailure } from '../controller/work-pool.ts';
import { isAlert } from '../controller/work-pool.ts';
import { type Governance, type PolicyInput, type PolicyOutcome, sameItems } from '../enforce/index.ts';
import type { ProbeState } from './prober.ts';

export interface LockFacts {
  readonly state: LockState;
  readonly message?: string;
}

export interface PolicyLocks {
  readonly admission: LockFacts;
  readonly gatekeeper: LockFacts;
  readonly binding: LockFacts;
  readonly constraintCreated: boolean;
}

/** What is known of the locks in this cluster. */
export interface LockInput {
  readonly governance: Pick<Governance, 'namespaces'>;
  /** Names of the wanted constraints that enforce a policy. */
  constraintsOf(policy: string): readonly string[];
  probe(namespace: string): ProbeState | undefined;
  /** Namespaces whose labels are not yet what they should be. */
  readonly unapplied: ReadonlySet<string>;
  readonly floor: { readonly supported: boolean; readonly bindGate: boolean; readonly installed: boolean };
  readonly gatekeeper: {
    /** Whether its API is there. */
    readonly served: boolean;
    readonly templateReady: boolean;
    readonly exists: (constraint: string) => boolean;
    readonly enforced: (constraint: string) => boolean;
    readonly graceMs: number;
  };
  readonly failures: readonly WorkFailure[];
  /** For how long lock 2 of a policy has been unproven now, in ms. */
  unprovenMs(policy: string): number;
}

const NOT_APPLICABLE: LockFacts = { state: 'NotApplicable' };
const ENFORCED: LockFacts = { state: 'Enforced' };

type Governing = Extract<PolicyOutcome, { kind: 'governing' }>;

interface Subject {
  readonly policy: PolicyInput;
  readonly outcome: Governing;
  readonly previous: SovereignPolicyStatus | undefined;
}

/** Whether a policy takes part in an action of the floor in any of its namespaces. */
const takesPart = ({ policy, outcome }: Subject, input: LockInput, actions: readonly FloorAction[]): boolean =>
  outcome.namespaces.some((namespace) => {
    const governed = input.governance.namespaces.get(namespace)?.actions;
    return actions.some((action) => governed?.[action]?.policies.includes(policy.key));
  });

/** Whether the last written status speaks of the very same governance. */
const sameAsBefore = ({ policy, outcome, previous }: Subject): boolean =>
  previous?.observedGeneration === policy.generation &&
  sameItems(previous.effectiveRegions ?? [], outcome.regions) &&
  sameItems(previous.namespaces ?? [], outcome.namespaces);

const isLockOne = (failure: WorkFailure): boolean =>
  /^(Namespace|ValidatingAdmissionPolicy|ValidatingAdmissionPolicyBinding)\//.test(failure.key);
const isLockTwo = (failure: WorkFailure): boolean => /^(ConstraintTemplate|K8sGeoResidency)\//.test(failure.key);
const concerns = (failure: WorkFailure, policy: string): boolean => failure.policies.length === 0 || failure.policies.includes(policy);

const floorFailure = (subject: Subject, input: LockInput): LockFacts | undefined => {
  const failure = input.failures.find((candidate) => isLockOne(candidate) && concerns(candidate, subject.policy.key));
  return failure && { state: isAlert(failure) ? 'Degraded' : 'Pending', message: `${failure.key}: ${failure.error}` };
};

const namespaceLock = (namespace: string, subject: Subject, input: LockInput): LockFacts => {
  if (input.unapplied.has(namespace)) return { state: 'Pending', message: `namespace ${namespace} is not labelled yet` };
  const probe = input.probe(namespace);
  if (probe?.state === 'proven') return ENFORCED;
  if (probe?.state === 'failed') return { state: 'Degraded', message: `namespace ${namespace}: ${probe.message ?? 'not proven'}` };
  // Just started: what was proven before holds until this run's own proof says otherwise.
  const wasProven = subject.previous?.enforcement?.admission.state === 'Enforced' && sameAsBefore(subject);
  if (wasProven && probe?.first !== false) return ENFORCED;
  return { state: 'Pending', message: `namespace ${namespace} is not proven yet` };
};

const admissionLock = (subject: Subject, input: LockInput): LockFacts => {
  if (!input.floor.supported) return { state: 'Unavailable', message: 'Kubernetes 1.30 or newer is needed for ValidatingAdmissionPolicy' };
  if (!takesPart(subject, input, ['deny', 'warn', 'dryrun'])) return NOT_APPLICABLE;
  const failure = floorFailure(subject, input);
  if (failure !== undefined) return failure;
  if (!input.floor.installed) return { state: 'Pending', message: 'the floor policies are not in place yet' };
  const locks = subject.outcome.namespaces.map((namespace) => namespaceLock(namespace, subject, input));
  return locks.find((lock) => lock.state === 'Degraded') ?? locks.find((lock) => lock.state === 'Pending') ?? ENFORCED;
};

const bindingLock = (subject: Subject, input: LockInput, admission: LockFacts): LockFacts => {
  if (!input.floor.bindGate) return { state: 'Unavailable', message: 'Kubernetes 1.35 or newer is needed for the bind gate' };
  return takesPart(subject, input, ['deny']) ? admission : NOT_APPLICABLE;
};

const firstUnproven = (constraints: readonly string[], input: LockInput): string | undefined => {
  const { gatekeeper } = input;
  if (!gatekeeper.templateReady) return 'the K8sGeoResidency template is not ready yet';
  const missing = constraints.find((name) => !gatekeeper.exists(name));
  if (missing !== undefined) return `constraint ${missing} does not exist yet`;
  const waiting = constraints.find((name) => !gatekeeper.enforced(name));
  return waiting === undefined ? undefined : `constraint ${waiting} is not enforced yet by every pod of Gatekeeper`;
};

const gatekeeperLock = (subject: Subject, input: LockInput): LockFacts => {
  const { policy, previous } = subject;
  const constraints = input.constraintsOf(policy.key);
  if (constraints.length === 0) return NOT_APPLICABLE;
  if (!input.gatekeeper.served) return { state: 'Unavailable', message: 'Gatekeeper is not installed' };
  const failure = input.failures.find((candidate) => isLockTwo(candidate) && concerns(candidate, policy.key));
  if (failure !== undefined) return { state: 'Degraded', message: `${failure.key}: ${failure.error}` };
  const unproven = firstUnproven(constraints, input);
  if (unproven === undefined) return ENFORCED;
  if (input.unprovenMs(policy.key) >= input.gatekeeper.graceMs) return { state: 'Degraded', message: unproven };
  // The constraint changed for the sake of others: its version before, which Gatekeeper still enforces, covers this policy too.
  const covered =
    previous?.enforcement?.gatekeeper.state === 'Enforced' && sameAsBefore(subject) && constraints.every(input.gatekeeper.exists);
  return covered ? ENFORCED : { state: 'Pending', message: unproven };
};

/** Whether lock 2 of a policy is proven now: what {@link LockInput.unprovenMs} counts from. */
export const isLockTwoProven = (policy: string, input: Pick<LockInput, 'constraintsOf' | 'gatekeeper'>): boolean =>
  input.gatekeeper.templateReady && input.constraintsOf(policy).every((name) => input.gatekeeper.enforced(name));

/** The state of every lock for one policy. */
export const planLocks = (
  policy: PolicyInput,
  outcome: PolicyOutcome,
  previous: SovereignPolicyStatus | undefined,
  input: LockInput,
): PolicyLocks => {
  const constraints = input.constraintsOf(policy.key);
  const constraintCreated = input.gatekeeper.served && constraints.length > 0 && constraints.every(input.gatekeeper.exists);
  if (outcome.kind !== 'governing') {
    return { admission: NOT_APPLICABLE, gatekeeper: NOT_APPLICABLE, binding: NOT_APPLICABLE, constraintCreated };
  }
  const subject = { policy, outcome, previous };
  const admission = admissionLock(subject, input);
  return { admission, gatekeeper: gatekeeperLock(subject, input), binding: bindingLock(subject, input, admission), constraintCreated };
};
