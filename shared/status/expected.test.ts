import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CANARY_NAMESPACE, PolicyReport, SYSTEM_NAMESPACE } from '../api/index.ts';
import { compileCluster } from '../compile/index.ts';
import { clusterFile, policyFile, setOf } from '../decode/testing/decoded.ts';
import { type ClusterProfile, digestOfBaseline, encodeBitmap, hasBit } from './baseline.ts';
import { expectedReport, explainMissing, governedNamespaces, NO_FLOOR, NO_GATEKEEPER } from './expected.ts';
import { type ListedPolicy, listPolicy } from './listed-policy.ts';

const PROFILE: ClusterProfile = { floor: true, gatekeeper: true, injection: true, gatekeeperNamespace: 'gatekeeper-system' };

const listed = (spec: Parameters<typeof policyFile>[1] = {}): ListedPolicy => {
  const [policy] = compileCluster(setOf(clusterFile('eu', ['eu-west-1']), policyFile('finance', spec)), 'eu').policies;
  if (policy === undefined) throw new Error('no policy');
  return listPolicy(policy, 'a'.repeat(40));
};
const governing = { isExpired: false, namespaces: ['finance'] };
const locksOf = (policy: ListedPolicy, profile: ClusterProfile) => {
  const { admission, gatekeeper, binding } = expectedReport(policy, profile, governing).enforcement;
  return [admission, gatekeeper, binding].map(({ state, message }) => (message === undefined ? state : `${state}: ${message}`));
};

describe('the report that is expected of a policy', () => {
  it('is valid, and dates from the commit of the list', () => {
    for (const standing of [governing, { isExpired: true, namespaces: [] }, { isExpired: false, namespaces: [] }]) {
      const report = expectedReport(listed({ expiryDate: '2030-01-01T00:00:00Z' }), PROFILE, standing);
      expect(PolicyReport.parse(report)).toEqual(report);
      expect(report).toMatchObject({ name: 'finance', revision: 'a'.repeat(40), expiryDate: '2030-01-01T00:00:00Z' });
    }
  });

  it.each([
    ['deny', {}, ['Enforced', 'Enforced', 'Enforced']],
    ['warn', { enforcementAction: 'warn' as const }, ['Enforced', 'Enforced', 'NotApplicable']],
    ['dryrun', { enforcementAction: 'dryrun' as const }, ['Enforced', 'Enforced', 'NotApplicable']],
    ['a scope to the webhook alone', scoped('deny', 'validation.gatekeeper.sh'), ['NotApplicable', 'Enforced', 'NotApplicable']],
    ['a scope to the API server alone', scoped('deny', 'vap.k8s.io'), ['Enforced', 'NotApplicable', 'Enforced']],
  ])('has the locks that its action requires: %s', (_what, spec, locks) => {
    expect(locksOf(listed(spec), PROFILE)).toEqual(locks);
  });

  it('shows as unavailable what the cluster cannot have', () => {
    const none = `Unavailable: ${NO_FLOOR}`;
    expect(locksOf(listed(), { ...PROFILE, gatekeeper: false })).toEqual(['Enforced', `Unavailable: ${NO_GATEKEEPER}`, 'Enforced']);
    expect(locksOf(listed(), { ...PROFILE, floor: false })).toEqual([none, 'Enforced', none]);
  });

  it('is Pending without a namespace, with the reason', () => {
    const missing = { isExpired: false, namespaces: [] };
    expect(expectedReport(listed({ targetNamespace: 'pay' }), PROFILE, missing)).toMatchObject({
      phase: 'Pending',
      message: 'namespace pay does not exist; the policy takes effect as soon as it does',
      enforcement: { admission: { state: 'NotApplicable' } },
    });
    expect(explainMissing({ targetNamespace: 'pay-*' }).message).toContain('no namespace matches pay-*');
    expect(explainMissing({ targetNamespace: 'pay', excludedNamespaces: ['p*'] })).toMatchObject({ isAbsent: false });
  });
});

function scoped(action: 'deny', name: 'validation.gatekeeper.sh' | 'vap.k8s.io') {
  return { enforcementAction: 'custom' as const, scopedEnforcementActions: [{ action, enforcementPoints: [{ name }] }] };
}

describe('the namespaces that a policy governs', () => {
  it('are those that a glob matches, without the excluded and the protected ones', () => {
    const names = ['pay-a', 'pay-b', 'gatekeeper-system', 'kube-system', SYSTEM_NAMESPACE, CANARY_NAMESPACE];
    expect(governedNamespaces({ targetNamespace: '*', excludedNamespaces: ['*-b'] }, names, PROFILE)).toEqual(['pay-a']);
    expect(governedNamespaces({ targetNamespace: '*' }, names, { gatekeeperNamespace: 'pay-a' })).toEqual(['pay-b', 'gatekeeper-system']);
    expect(governedNamespaces({ targetNamespace: 'pay-c' }, names, PROFILE)).toEqual(['pay-c']);
  });
});

describe('a bitmap', () => {
  it('survives encoding, and is 0 beyond its end', () => {
    fc.assert(
      fc.property(fc.array(fc.boolean(), { maxLength: 100 }), (bits) => {
        const bitmap = encodeBitmap(bits.length, (index) => bits[index] === true);
        expect(bits.map((_, index) => hasBit(bitmap, index))).toEqual(bits);
        expect([hasBit(bitmap, bits.length), hasBit(bitmap, 10_000), hasBit(bitmap, -1)]).toEqual([false, false, false]);
        const bytes = Buffer.from(bitmap, 'base64');
        expect(bits.map((_, index) => ((bytes[index >> 3] ?? 0) >> (index & 7)) & 1)).toEqual(bits.map(Number));
      }),
    );
  });

  it('is empty without a bit', () => {
    expect(encodeBitmap(1_000, () => false)).toBe('');
  });
});

it('gives two baselines that differ only in time the same digest', () => {
  const baseline = { list: 'a'.repeat(64), profile: PROFILE, asOf: '2026-01-01T00:00:00Z', missing: '', namespaces: [] };
  expect(digestOfBaseline({ ...baseline, asOf: '2027-01-01T00:00:00Z' })).toBe(digestOfBaseline(baseline));
  expect(digestOfBaseline({ ...baseline, missing: 'AQ==' })).not.toBe(digestOfBaseline(baseline));
});
