import { describe, expect, it } from 'vitest';
import { planGovernance } from '../enforce/index.ts';
import { policyOf } from '../enforce/testing/policies.ts';
import { type InjectionInput, injectionFacts } from './injection-facts.ts';

const NOW = new Date('2026-01-03T10:30:00Z');
const finance = { name: 'finance', terminating: false, labels: {}, annotations: {} };

const facts = (spec: Partial<Parameters<typeof policyOf>[1]>, changes: Partial<InjectionInput> = {}) => {
  const policy = policyOf('p', { targetNamespace: 'finance', allowedRegions: ['eu-west-1'], placementInjection: true, ...spec });
  const governance = planGovernance([policy], [finance], NOW);
  const outcome = governance.policies.get(policy.key) ?? expect.fail('no outcome');
  const input = { governance, served: true, installed: true, unapplied: new Set<string>(), failures: [], ...changes };
  return injectionFacts(policy, outcome, input);
};

describe('injectionFacts', () => {
  it('is absent where no policy asks for injection', () => {
    expect(facts({ placementInjection: false })).toBeUndefined();
  });

  it('is active once policy, binding and label exist', () => {
    expect(facts({})).toMatchObject({ active: true, reason: 'Active' });
    expect(facts({}, { installed: false })).toMatchObject({ active: false, reason: 'Pending' });
    expect(facts({}, { unapplied: new Set(['finance']) })).toMatchObject({ active: false, reason: 'Pending' });
  });

  it('names what is needed where injection is impossible', () => {
    expect(facts({}, { served: false })).toMatchObject({ active: false, reason: 'Unavailable' });
    expect(facts({}, { served: false })?.message).toContain('Kubernetes 1.36');
    expect(facts({ enforcementAction: 'dryrun' })).toMatchObject({ active: false, reason: 'NothingToInject' });
    expect(facts({ targetNamespace: 'other' })).toMatchObject({ active: false, reason: 'NotGoverning' });
  });

  it('reports why it could not be written, and ignores other writes', () => {
    const failure = { policies: [], error: 'forbidden', failures: 1 };
    const failing = (key: string) => facts({}, { failures: [{ ...failure, key }] });
    expect(failing('MutatingAdmissionPolicy/fso-placement-injection')).toMatchObject({ active: false, reason: 'Failed' });
    expect(failing('ValidatingAdmissionPolicy/fso-floor-pods-deny')).toMatchObject({ active: true });
  });
});
