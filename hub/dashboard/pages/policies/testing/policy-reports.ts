import type { Condition, Enforcement, LockState, PolicyInCluster, PolicyReport } from '@fso/shared/api';

/** Reports for tests. */

export const TIME = '2026-01-03T10:30:00.000Z';

const lock = (state: LockState): Enforcement['admission'] => ({ state, since: TIME });

export const enforcement = (admission: LockState, gatekeeper: LockState = admission): Enforcement => ({
  admission: lock(admission),
  gatekeeper: lock(gatekeeper),
  binding: lock(admission),
});

export const report = (change: Partial<PolicyReport> = {}): PolicyReport => ({
  namespace: 'federated-sovereignty-system',
  name: 'finance-eu',
  managedBy: 'hub',
  targetNamespace: 'finance',
  enforcementAction: 'deny',
  effectiveRegions: ['eu-central-1', 'eu-west-1'],
  namespaces: ['finance'],
  phase: 'Active',
  message: 'enforced',
  constraintCreated: true,
  enforcement: enforcement('Enforced'),
  violations: 0,
  violationSamples: [],
  conditions: [],
  lastUpdated: TIME,
  ...change,
});

export const condition = (type: string, status: Condition['status'], change: Partial<Condition> = {}): Condition => ({
  type,
  status,
  reason: 'Reason',
  message: 'message',
  lastTransitionTime: TIME,
  ...change,
});

export const inCluster = (cluster: string, change: Partial<PolicyReport> = {}, fresh = true): PolicyInCluster => ({
  cluster,
  fresh,
  report: report(change),
  changed: TIME,
});
