import { type FloorAction, type LockState, NODES_PARAMETERS, type SovereignPolicyStatus } from '@fso/shared/api';
import { FLOOR_PARAMETERS_KIND } from '@fso/shared/kube';
import { sameItems } from '@fso/shared/runtime';
import { NO_FLOOR, NO_GATEKEEPER } from '@fso/shared/status';
import type { BindGateMode } from '../enforce/index.ts';
import {
  type GatekeeperProblem,
  type Governance,
  isAlert,
  type PolicyInput,
  type PolicyOutcome,
  type WriteFailure,
} from '../enforce/index.ts';
import type { ProbeState, ProofState } from '../probe/index.ts';

/** State of one lock for one policy, with the reason. */
export interface LockFacts {
  readonly state: LockState;
  readonly message?: string;
  /** Set if another rule answers in place of the lock, which is then neither proven nor refuted. */
  readonly unanswered?: true;
}

/** States of all locks for one policy. */
export interface PolicyLocks {
  readonly admission: LockFacts;
  readonly gatekeeper: LockFacts;
  readonly binding: LockFacts;
  readonly constraintCreated: boolean;
}

/** Objects that the agent wants in the cluster, and how far they are written. */
export interface LockPlan {
  readonly governance: Pick<Governance, 'namespaces'>;
  /** Names of the wanted constraints that enforce a policy. */
  constraintsOf(policy: string): readonly string[];
  /** Namespaces whose labels differ from the desired ones. */
  readonly unapplied: ReadonlySet<string>;
  /** Namespaces whose labels cannot be written and that lock 1 enforces by its index. */
  readonly indexed: ReadonlySet<string>;
  /**
   * Keys of policies that the index does not cover yet: by a glob, or for a namespace that does not
   * exist yet.
   */
  readonly unlisted: ReadonlySet<string>;
}

/** Facts from which the state of a policy's locks is derived. */
export interface LockInput {
  readonly plan: LockPlan;
  probe(namespace: string): ProbeState | undefined;
  readonly floor: {
    readonly supported: boolean;
    readonly installed: boolean;
    /** Problem that the API server reports for the policy expressions. */
    readonly problem?: string | undefined;
    /** Reason why lock 1 is open in every namespace, if it is. */
    readonly outage?: string | undefined;
    /**
     * Reason why the state of the index is unknown, on which deny policies depend in every
     * namespace; undefined if it is known.
     */
    readonly unanswered?: string | undefined;
    /** `list`: the bind gate reads regions only from the list of nodes. */
    readonly bindGate: BindGateMode;
  };
  readonly gatekeeper: {
    /** Whether the API server serves Gatekeeper's API. */
    readonly served: boolean;
    /**
     * Problem that keeps the template or the canary constraint from being in force, or the webhook
     * from being called for all pods.
     */
    readonly problem: GatekeeperProblem | undefined;
    readonly exists: (constraint: string) => boolean;
    /** Finds the problem that keeps a constraint from being in force. */
    readonly constraintProblem: (constraint: string) => GatekeeperProblem | undefined;
    /** Finds the reason why the webhook's configuration skips a namespace. */
    readonly exclusion: (namespace: string) => GatekeeperProblem | undefined;
    /** State of Gatekeeper's proof in a namespace; undefined if there is nothing to probe. */
    readonly canary: (namespace: string) => ProofState | undefined;
    /** Reason why lock 2 is open in every namespace, if it is. */
    readonly outage: string | undefined;
    readonly graceMs: number;
  };
  readonly failures: readonly WriteFailure[];
  /** Time for which lock 2 of a policy has been unproven, in ms. */
  unprovenMs(policy: string): number;
}

const NODE_LIST = `${FLOOR_PARAMETERS_KIND.kind}/${NODES_PARAMETERS}`;

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
    const governed = input.plan.governance.namespaces.get(namespace)?.actions;
    return actions.some((action) => governed?.[action]?.policies.includes(policy.key));
  });

/** Whether the last written status describes the same governance. */
const sameAsBefore = ({ policy, outcome, previous }: Subject): boolean =>
  previous?.observedGeneration === policy.generation &&
  sameItems(previous.effectiveRegions ?? [], outcome.regions) &&
  sameItems(previous.namespaces ?? [], outcome.namespaces);

/**
 * Whether a failing write keeps lock 1 of a policy from being in force. Labels are written for
 * certain policies, the floor for all of them.
 */
const hindersLockOne = ({ key, policies }: WriteFailure, { policy }: Subject, { plan }: LockInput): boolean => {
  const [kind = '', name = ''] = key.split('/');
  if (kind === 'Namespace') return policies.includes(policy.key) && !plan.indexed.has(name);
  // Guards are not part of the lock. Their failed writes are a condition of the cluster.
  return /^ValidatingAdmissionPolicy(Binding)?$/.test(kind) && !name.startsWith('fso-guard-');
};
const isLockTwo = (failure: WriteFailure): boolean => /^(ConstraintTemplate|K8sGeoResidency)\//.test(failure.key);
const concerns = (failure: WriteFailure, policy: string): boolean => failure.policies.length === 0 || failure.policies.includes(policy);

const failing = (failure: WriteFailure): LockFacts => ({
  state: isAlert(failure) ? 'Degraded' : 'Pending',
  message: `${failure.key}: ${failure.error}`,
});

const factsOf = (namespace: string, { state, message }: ProbeState): LockFacts | undefined => {
  const said = `namespace ${namespace}: ${message ?? 'not proven'}`;
  switch (state) {
    case 'proven':
      return message === undefined ? ENFORCED : { state: 'Enforced', message: said };
    case 'unanswered':
      return { state: 'Pending', message: said, unanswered: true };
    case 'failed':
      return { state: 'Degraded', message: said };
    case 'pending':
      return undefined;
  }
};

const namespaceLock = (namespace: string, subject: Subject, input: LockInput): LockFacts => {
  if (input.plan.unapplied.has(namespace) && !input.plan.indexed.has(namespace))
    return { state: 'Pending', message: `namespace ${namespace} is not labelled yet` };
  const probe = input.probe(namespace);
  const facts = probe && factsOf(namespace, probe);
  if (facts !== undefined) return facts;
  // The agent has just started, or another policy of the namespace changed. The earlier proof holds
  // until a probe refutes it.
  const wasProven = subject.previous?.enforcement?.admission.state === 'Enforced' && sameAsBefore(subject);
  if (wasProven && (probe === undefined || probe.first || probe.held)) return ENFORCED;
  return { state: 'Pending', message: `namespace ${namespace} is not proven yet` };
};

/** State of the floor as a whole, if it decides the state of the lock. */
const floorLock = (subject: Subject, input: LockInput): LockFacts | undefined => {
  const failure = input.failures.find((candidate) => hindersLockOne(candidate, subject, input));
  if (failure !== undefined) return failing(failure);
  const { installed, outage } = input.floor;
  if (!installed) return { state: 'Pending', message: 'the policies of the floor are not in place yet' };
  return outage !== undefined && takesPart(subject, input, ['deny']) ? { state: 'Degraded', message: outage } : undefined;
};

/**
 * State of the index, if it decides the state of the lock. The index alone enforces deny in
 * namespaces without labels.
 */
const indexLock = (subject: Subject, input: LockInput): LockFacts | undefined => {
  const { unanswered } = input.floor;
  if (unanswered !== undefined && takesPart(subject, input, ['deny'])) return { state: 'Pending', message: unanswered, unanswered: true };
  return listedLock(subject.policy, input);
};

/**
 * State of the lock if the index does not cover the policy yet. A namespace created later has no
 * labels at first, so only the index covers it from its creation on.
 */
const listedLock = ({ key, spec }: PolicyInput, { plan }: LockInput): LockFacts | undefined =>
  plan.unlisted.has(key) ? { state: 'Pending', message: `the index of lock 1 does not have ${spec.targetNamespace} yet` } : undefined;

const admissionLock = (subject: Subject, input: LockInput): LockFacts => {
  if (!input.floor.supported) return { state: 'Unavailable', message: NO_FLOOR };
  if (!takesPart(subject, input, ['deny', 'warn', 'dryrun'])) return NOT_APPLICABLE;
  const floor = floorLock(subject, input);
  if (floor !== undefined) return floor;
  const locks = subject.outcome.namespaces.map((namespace) => namespaceLock(namespace, subject, input));
  const unproven =
    locks.find((lock) => lock.state === 'Degraded') ?? indexLock(subject, input) ?? locks.find((lock) => lock.state === 'Pending');
  if (unproven === undefined) return locks.find(({ message }) => message !== undefined) ?? ENFORCED;
  if (input.floor.problem === undefined) return unproven;
  return { ...unproven, message: `${unproven.message ?? ''}; ${input.floor.problem}` };
};

const bindingLock = (subject: Subject, input: LockInput, admission: LockFacts): LockFacts => {
  if (!input.floor.supported) return admission;
  if (!takesPart(subject, input, ['deny'])) return NOT_APPLICABLE;
  const failure = input.failures.find(({ key }) => key === NODE_LIST);
  const restsOnList = input.floor.bindGate === 'list' && failure !== undefined;
  return restsOnList && admission.state === 'Enforced' ? failing(failure) : admission;
};

interface LockTwoProblem extends GatekeeperProblem {
  readonly unanswered?: true;
}

const canaryProblem = (namespace: string, input: Pick<LockInput, 'gatekeeper'>): LockTwoProblem | undefined => {
  const canary = input.gatekeeper.canary(namespace);
  if (canary === undefined || canary.state === 'proven') return undefined;
  if (canary.state === 'failed') return { message: canary.message ?? `namespace ${namespace}: Gatekeeper does not answer`, isError: true };
  const message = canary.message ?? `namespace ${namespace}: whether Gatekeeper answers is not proven yet`;
  return { message, isError: false, ...(canary.state === 'unanswered' && { unanswered: true }) };
};

/** Picks the first problem that is an error, else the first one, if any. */
export const worst = <T extends GatekeeperProblem>(problems: readonly (T | undefined)[]): T | undefined =>
  problems.find((problem) => problem?.isError === true) ?? problems.find((problem) => problem !== undefined);

const findUnproven = (
  constraints: readonly string[],
  namespaces: readonly string[],
  input: Pick<LockInput, 'gatekeeper'>,
): LockTwoProblem | undefined => {
  const { gatekeeper } = input;
  const exclusions = namespaces.map(gatekeeper.exclusion);
  const found = worst([gatekeeper.problem, ...constraints.map(gatekeeper.constraintProblem), ...exclusions]);
  if (found !== undefined) return found;
  if (gatekeeper.outage !== undefined) return { message: gatekeeper.outage, isError: true };
  return worst<LockTwoProblem>(namespaces.map((namespace) => canaryProblem(namespace, input)));
};

const gatekeeperLock = (subject: Subject, input: LockInput): LockFacts => {
  const { policy, previous, outcome } = subject;
  const constraints = input.plan.constraintsOf(policy.key);
  if (constraints.length === 0) return NOT_APPLICABLE;
  if (!input.gatekeeper.served) return { state: 'Unavailable', message: NO_GATEKEEPER };
  const failure = input.failures.find((candidate) => isLockTwo(candidate) && concerns(candidate, policy.key));
  if (failure !== undefined) return { state: 'Degraded', message: `${failure.key}: ${failure.error}` };
  const unproven = findUnproven(constraints, outcome.namespaces, input);
  if (unproven === undefined) return ENFORCED;
  if (unproven.unanswered === true) return { state: 'Degraded', message: unproven.message, unanswered: true };
  const isOverdue = input.unprovenMs(policy.key) >= input.gatekeeper.graceMs;
  if (unproven.isError || isOverdue) return { state: 'Degraded', message: unproven.message };
  // The constraint changed for other policies. Its previous version, which Gatekeeper still
  // enforces, covers this policy too.
  const wasEnforced = previous?.enforcement?.gatekeeper.state === 'Enforced' && sameAsBefore(subject);
  return wasEnforced && constraints.every(input.gatekeeper.exists) ? ENFORCED : { state: 'Pending', message: unproven.message };
};

/**
 * Whether lock 2 of a policy is proven now. {@link LockInput.unprovenMs} counts from when it was
 * first seen not to be.
 */
export const isLockTwoProven = (policy: string, namespaces: readonly string[], input: Pick<LockInput, 'plan' | 'gatekeeper'>): boolean =>
  findUnproven(input.plan.constraintsOf(policy), namespaces, input) === undefined;

/** Derives the state of every lock for one policy. */
export const planLocks = (
  policy: PolicyInput,
  outcome: PolicyOutcome,
  previous: SovereignPolicyStatus | undefined,
  input: LockInput,
): PolicyLocks => {
  const constraints = input.plan.constraintsOf(policy.key);
  const constraintCreated = input.gatekeeper.served && constraints.length > 0 && constraints.every(input.gatekeeper.exists);
  if (outcome.kind !== 'governing') {
    const listed = (outcome.kind === 'namespaceMissing' ? listedLock(policy, input) : undefined) ?? NOT_APPLICABLE;
    return { admission: listed, gatekeeper: NOT_APPLICABLE, binding: listed, constraintCreated };
  }
  const subject = { policy, outcome, previous };
  const admission = admissionLock(subject, input);
  return { admission, gatekeeper: gatekeeperLock(subject, input), binding: bindingLock(subject, input, admission), constraintCreated };
};
