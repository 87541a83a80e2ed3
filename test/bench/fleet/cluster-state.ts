import { CONDITIONS, type Condition, NAMESPACE_MISSING, type PolicyReport, type ReportedLock } from '@fso/shared/api';
import { weakMemo } from '@fso/shared/runtime';
import { expectedReport, listPolicy } from '@fso/shared/status';
import type { DesiredPolicy } from '../../../agent/enforce/index.ts';
import type { AgentSnapshot, PolicySnapshot } from '../../../agent/observe/index.ts';
import type { Cause } from './orders.ts';

/** State of a policy in a cluster of the bench. */
export type PolicyCondition = 'governing' | 'missing' | Cause;

const TIME = '2026-01-01T00:00:00.000Z';
export const PROFILE = { floor: true, gatekeeper: true, injection: true, gatekeeperNamespace: 'gatekeeper-system' };

const condition = (type: string, status: Condition['status'], reason: string, message: string): Condition => ({
  type,
  status,
  reason,
  message,
  lastTransitionTime: TIME,
});

const PROVEN_MESSAGE = 'The API server refuses what it must refuse and admits what it must admit.';
const { ready, floorReady, gatekeeperReady, risksKnown, tampered } = CONDITIONS;
/** Conditions with an agent's reasons: with others, each policy would be reported by name. */
const PROVEN = [
  condition(ready, 'True', 'Enforced', PROVEN_MESSAGE),
  ...[floorReady, gatekeeperReady].map((type) => condition(type, 'True', 'Proven', PROVEN_MESSAGE)),
];

/** The proven conditions, with others in the place of those of the same type. */
const withConditions = (...others: readonly Condition[]): Condition[] => [
  ...PROVEN.filter(({ type }) => !others.some((other) => other.type === type)),
  ...others,
];

const timed = (lock: ReportedLock): ReportedLock => ({ ...lock, since: TIME });
const degraded = (message: string): ReportedLock => ({ state: 'Degraded', since: TIME, message });

type Change = (report: PolicyReport) => Partial<PolicyReport>;

/**
 * Differences from a policy that is proven. Each message names its policy, so that no two policies
 * of a cluster have the same one.
 */
const CHANGES: Readonly<Record<PolicyCondition, Change>> = {
  governing: () => ({}),
  missing: () => ({ conditions: [condition(ready, 'False', NAMESPACE_MISSING, 'The namespace does not exist.')] }),
  failing: ({ name, targetNamespace }) => {
    const message = `namespace ${targetNamespace}: the API server admits a pod that ${name} must refuse`;
    return { phase: 'Failed', message, conditions: withConditions(condition(ready, 'False', 'EnforcementFailed', message)) };
  },
  gatekeeper: ({ name, targetNamespace, enforcement }) => {
    const message = `namespace ${targetNamespace}: Gatekeeper does not answer for K8sGeoResidency/${name}`;
    return {
      message: `enforced in ${targetNamespace}; lock 1 only: ${message}`,
      enforcement: { ...enforcement, gatekeeper: degraded(message) },
      conditions: withConditions(condition(gatekeeperReady, 'False', 'Degraded', message)),
    };
  },
  index: ({ name, targetNamespace, enforcement }) => {
    const message = `namespace ${targetNamespace}: the index of lock 1 judges nothing, ${name} among it`;
    return {
      phase: 'Failed',
      message,
      enforcement: { ...enforcement, admission: degraded(message), binding: degraded(message) },
      conditions: withConditions(
        condition(ready, 'False', 'EnforcementFailed', message),
        condition(floorReady, 'False', 'Degraded', message),
      ),
    };
  },
  tampering: ({ name }) => {
    const message = `${TIME}: K8sGeoResidency/${name} was changed by kubectl, and put back`;
    return { conditions: withConditions(condition(tampered, 'True', 'PutBack', message)) };
  },
};

/** Report of a policy as the cluster has it: long, with times. */
const reportOf = ({ policy, since }: DesiredPolicy, state: PolicyCondition): PolicyReport => {
  const namespaces = state === 'missing' ? [] : [policy.spec.targetNamespace];
  const report = expectedReport(listPolicy(policy, since), PROFILE, { isExpired: false, namespaces });
  const { admission, gatekeeper, binding } = report.enforcement;
  const proven: PolicyReport = {
    ...report,
    ...(state === 'missing' ? {} : { phase: 'Active', message: 'proven by the agent' }),
    enforcement: { admission: timed(admission), gatekeeper: timed(gatekeeper), binding: timed(binding) },
    conditions: [...PROVEN],
    lastUpdated: TIME,
  };
  return { ...proven, ...CHANGES[state](proven) };
};

/** Whether the cluster has nothing left to put in force for the policy. */
const isProven = (state: PolicyCondition): boolean => state === 'governing' || state === 'missing' || state === 'tampering';

const snapshotsOf = weakMemo((_accepted: DesiredPolicy) => new Map<PolicyCondition, PolicySnapshot>());

/**
 * Returns the snapshot of a policy in a state for all agents of this process; the same object each
 * time.
 */
export const snapshotOf = (accepted: DesiredPolicy, state: PolicyCondition): PolicySnapshot => {
  const known = snapshotsOf(accepted);
  const found = known.get(state);
  if (found !== undefined) return found;
  const snapshot = { report: reportOf(accepted, state), generation: 1, observedGeneration: 1, proven: isProven(state), violations: [] };
  known.set(state, snapshot);
  return snapshot;
};

/** Conditions of a cluster whose owners' next pods were judged: gates of waves wait for that. */
const clusterConditions = (...others: readonly Condition[]): Condition[] => [
  ...withConditions(...others),
  condition(risksKnown, 'True', 'Judged', ''),
];

const FACTS: AgentSnapshot['cluster'] = {
  agentVersion: 'bench',
  kubernetesVersion: 'v1.36.3',
  gatekeeper: { state: 'Ready' },
  nodesByRegion: { 'eu-west-1': 3 },
  conditions: clusterConditions(),
};

const FACTS_OF: Readonly<Record<Cause, AgentSnapshot['cluster']>> = {
  failing: FACTS,
  gatekeeper: { ...FACTS, gatekeeper: { state: 'NotReady', message: 'no pod of Gatekeeper answers' } },
  index: { ...FACTS, conditions: clusterConditions(condition(floorReady, 'False', 'IndexOpen', 'the index of lock 1 judges nothing')) },
  tampering: { ...FACTS, conditions: clusterConditions(condition(tampered, 'True', 'PutBack', 'the floor was changed, and put back')) },
};

/**
 * Returns the facts of a cluster.
 *
 * @param cause why its policies deviate; undefined: they do not
 */
export const clusterFacts = (cause: Cause | undefined): AgentSnapshot['cluster'] => (cause === undefined ? FACTS : FACTS_OF[cause]);
