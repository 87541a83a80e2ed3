import { describe, expect, it } from 'vitest';
import { planGovernance } from '../governance.ts';
import { NOW } from '../testing/policies.ts';
import type { PolicyInput } from '../types.ts';
import { CANARY_NAME, canaryBody } from './canary.ts';
import { planGatekeeper } from './gatekeeper.ts';
import type { Constraint } from './kinds.ts';
import { namespaces, template } from './testing/plans.ts';

describe('the canary', () => {
  const planned = (constraints: readonly Constraint[], policies: readonly PolicyInput[] = []) =>
    planGatekeeper({ governance: planGovernance(policies, namespaces, NOW), template, constraints, gatekeeperServed: true });

  it('is planned as soon as its kind is served, with any policies', () => {
    expect(planned([])).toMatchObject([{ type: 'apply', key: `K8sGeoResidency/${CANARY_NAME}`, reason: 'Install', policies: [] }]);
    expect(planned([canaryBody()])).toEqual([]);
  });

  it('is restored', () => {
    const { spec } = canaryBody();
    expect(planned([{ ...canaryBody(), spec: { ...spec, enforcementAction: 'dryrun' } }])).toMatchObject([
      { type: 'apply', reason: 'Drift' },
    ]);
    const excluded = { ...spec, match: { ...spec?.match, excludedNamespaces: ['finance'] } };
    expect(planned([{ ...canaryBody(), spec: excluded }])).toMatchObject([{ type: 'patch' }, { type: 'apply', reason: 'Drift' }]);
  });
});
