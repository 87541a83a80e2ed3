import type { PolicyReport } from '@fso/shared/api';

const TIME = '2026-01-01T00:00:00Z';

/** Returns a report of a policy without anything special. */
export const policyReport = (name: string, change: Partial<PolicyReport> = {}): PolicyReport => ({
  namespace: 'federated-sovereignty-system',
  name,
  managedBy: 'hub',
  targetNamespace: name,
  enforcementAction: 'deny',
  effectiveRegions: ['eu-west-1'],
  namespaces: [],
  phase: 'Active',
  message: '',
  constraintCreated: true,
  enforcement: {
    admission: { state: 'Enforced', since: TIME },
    gatekeeper: { state: 'Enforced', since: TIME },
    binding: { state: 'Enforced', since: TIME },
  },
  violations: 0,
  violationSamples: [],
  conditions: [],
  lastUpdated: TIME,
  ...change,
});
