import { CONDITIONS, type Condition, NAMESPACE_MISSING, type PolicyReport, type ReportedLock } from '@fso/shared/api';
import { weakMemo } from '@fso/shared/runtime';
import { expectedReport, listPolicy } from '@fso/shared/status';
import type { DesiredPolicy } from '../../../agent/enforce/index.ts';
import type { AgentSnapshot, PolicySnapshot } from '../../../agent/observe/index.ts';
import type { Cause } from './orders.ts';

/** State of a policy in a simulated cluster. */
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
/**
 * Conditions with the reasons that agents report. With others, each policy would be reported by
 * name.
 */
const PROVEN = [
  condition(ready, 'True', 'Enforced', PROVEN_MESSAGE),
  ...[floorReady, gatekeeperReady].map((type) => condition(type, 'True', 'Proven', PROVEN_MESSAGE)),
];

/** Returns the proven conditions, with others replacing those of the same type. */
const withConditions = (...others: readonly Condition[]): Condition[] => [
  ...PROVEN.filter(({ type }) => !others.some((other) => other.type === type)),
  ...others,
];

const timed = (lock: ReportedLock): ReportedLock => ({ ...lock, since: TIME });
const degraded = (message: string): ReportedLock => ({ state: 'Degraded', since: TIME, message });

type Change = (report: PolicyReport) => Partial<PolicyReport>;

/**
 * Differences from a proven policy. Each message contains the name of its policy, so that no two
 * policies of a cluster have the same one.
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

/** Returns the full report of a policy in the cluster, with times. */
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

/** Whether the cluster has fully enforced the policy. */
const isProven = (state: PolicyCondition): boolean => state === 'governing' || state === 'missing' || state === 'tampering';

const snapshotsOf = weakMemo((_accepted: DesiredPolicy) => new Map<PolicyCondition, PolicySnapshot>());

/** Returns the snapshot of a policy in a state. All agents of this process share one object. */
export const snapshotOf = (accepted: DesiredPolicy, state: PolicyCondition): PolicySnapshot => {
  const known = snapshotsOf(accepted);
  const found = known.get(state);
  if (found !== undefined) return found;
  const snapshot = { report: reportOf(accepted, state), generation: 1, observedGeneration: 1, proven: isProven(state), violations: [] };
  known.set(state, snapshot);
  return snapshot;
};

/** Conditions of a cluster whose owners' next pods were judged, for which gates of waves wait. */
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
 * @param cause cause of its deviations; undefined if there are none
 */
export const clusterFacts = (cause: Cause | undefined): AgentSnapshot['cluster'] => (cause === undefined ? FACTS : FACTS_OF[cause]);
