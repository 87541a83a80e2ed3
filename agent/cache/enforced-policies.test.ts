import { ANNOTATIONS, LABELS, type SovereignPolicy, SYSTEM_NAMESPACE } from '@fso/shared/api';
import { describe, expect, it } from 'vitest';
import { toPolicyInput } from './enforced-policies.ts';

const claimed = (namespace: string): SovereignPolicy =>
  ({
    apiVersion: 'compliance.federated.io/v1',
    kind: 'SovereignPolicy',
    metadata: {
      namespace,
      name: 'finance',
      labels: { [LABELS.managedBy]: 'hub' },
      annotations: { [ANNOTATIONS.revision]: 'a'.repeat(40) },
    },
    spec: { targetNamespace: 'finance', allowedRegions: ['eu-west-1'], enforcementAction: 'deny' },
  }) as SovereignPolicy;

describe('toPolicyInput', () => {
  it('trusts the label of the hub only in the namespace of the agent', () => {
    expect(toPolicyInput(claimed(SYSTEM_NAMESPACE))).toMatchObject({ managedBy: 'hub', revision: 'a'.repeat(40) });
    expect(toPolicyInput(claimed('team'))).toMatchObject({ managedBy: 'local', revision: undefined });
  });
});
