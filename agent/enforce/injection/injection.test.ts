import { describe, expect, it } from 'vitest';
import type { AdmissionObject } from '../admission-policies.ts';
import { injectionKinds, planInjection } from './injection.ts';

const KINDS = injectionKinds('v1');
const NONE = { policies: [], bindings: [] };
const bodies = (actions: ReturnType<typeof planInjection>): AdmissionObject[] =>
  actions.flatMap((action) => (action.type === 'apply' ? [action.body as AdmissionObject] : []));

const [policy, binding] = bodies(planInjection(KINDS, NONE, true));
const installed = { policies: policy === undefined ? [] : [policy], bindings: binding === undefined ? [] : [binding] };

describe('planInjection', () => {
  it('installs one policy and its binding once a policy asks for it, and then has nothing to do', () => {
    expect(planInjection(KINDS, NONE, false)).toEqual([]);
    expect(planInjection(KINDS, NONE, true)).toMatchObject([
      { type: 'apply', key: 'MutatingAdmissionPolicy/fso-placement-injection', reason: 'Install' },
      { type: 'apply', key: 'MutatingAdmissionPolicyBinding/fso-placement-injection', reason: 'Install' },
    ]);
    expect(planInjection(KINDS, installed, true)).toEqual([]);
  });

  it('never refuses a pod, and never touches an update', () => {
    expect(policy?.spec).toMatchObject({ failurePolicy: 'Ignore', matchConstraints: { resourceRules: [{ operations: ['CREATE'] }] } });
  });

  it('repairs changes and additions', () => {
    const changed = { metadata: policy?.metadata ?? { name: '' }, spec: { ...policy?.spec, reinvocationPolicy: 'Never' } };
    expect(planInjection(KINDS, { ...installed, policies: [changed] }, true)).toMatchObject([
      { type: 'patch', reason: 'Drift' },
      { type: 'apply', reason: 'Drift' },
    ]);
    const narrowed = { ...changed, spec: { ...policy?.spec, matchConditions: [{ name: 'never', expression: 'false' }] } };
    expect(planInjection(KINDS, { ...installed, policies: [narrowed] }, true)).toMatchObject([
      { type: 'patch', patch: { spec: { matchConditions: null } } },
      { type: 'apply', reason: 'Drift' },
    ]);
  });

  it('keeps both once they are there, also while no policy asks for them', () => {
    expect(planInjection(KINDS, installed, false)).toEqual([]);
    expect(planInjection(KINDS, { ...installed, bindings: [] }, false)).toMatchObject([
      { type: 'apply', key: 'MutatingAdmissionPolicyBinding/fso-placement-injection' },
    ]);
    const foreign = { metadata: { name: 'other', labels: { 'compliance.gov/component': 'injection' } } };
    expect(planInjection(KINDS, { policies: [foreign], bindings: [] }, false)).toEqual([]);
  });

  it('uses the version of older API servers', () => {
    const [beta] = planInjection(injectionKinds('v1beta1'), NONE, true);
    expect(beta).toMatchObject({ kind: { apiVersion: 'admissionregistration.k8s.io/v1beta1' } });
    expect(beta).toHaveProperty('body.apiVersion', 'admissionregistration.k8s.io/v1beta1');
  });
});
