import type { SovereignPolicySpec, SovereignPolicySpecInput } from '@fso/shared/api';
import { USUAL_PLACE } from '@fso/shared/compile';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createGovernor, planGovernance } from './governance.ts';
import { anyPolicies, NAMESPACES, NOW, namespaceOf, policyOf } from './testing/policies.ts';
import { NO_PROVIDERS, type PolicyOutcome } from './types.ts';

const namespaces = NAMESPACES.map((name) => namespaceOf(name));
const EU = ['eu-west-1', 'eu-central-1'];

/** Regions of a policy that has not expired, and selects namespaces or a missing one. */
const regionsInForce = (outcome: PolicyOutcome): readonly string[] | undefined =>
  'namespaces' in outcome || outcome.kind === 'namespaceMissing' ? outcome.regions : undefined;

/** Runs a generator to its end. */
const resultOf = <T>(steps: Generator<void, T>): T => {
  let step = steps.next();
  while (step.done !== true) step = steps.next();
  return step.value;
};

describe('planGovernance', () => {
  it('matches names and globs, but not excluded namespaces', () => {
    const { policies } = planGovernance(
      [
        policyOf('exact', { targetNamespace: 'finance', allowedRegions: EU }),
        policyOf('glob', { targetNamespace: 'finance*', allowedRegions: EU, excludedNamespaces: ['*-test'] }),
      ],
      namespaces,
      NOW,
    );
    expect(policies.get('team/exact')).toMatchObject({
      kind: 'governing',
      namespaces: ['finance'],
      regions: ['eu-central-1', 'eu-west-1'],
    });
    expect(policies.get('team/glob')).toMatchObject({ kind: 'governing', namespaces: ['finance'] });
  });

  it('governs no system namespace by a glob, those of the cluster by name, and never its own', () => {
    const plan = planGovernance(
      [
        policyOf('all', { targetNamespace: '*', allowedRegions: EU }),
        policyOf('system', { targetNamespace: 'kube-system', allowedRegions: EU, enforcementAction: 'warn' }),
        policyOf('own', { targetNamespace: 'federated-sovereignty-system', allowedRegions: EU }),
      ],
      namespaces,
      NOW,
    );
    expect(plan.policies.get('team/all')).toMatchObject({ namespaces: ['finance', 'finance-test', 'payments', 'web-prod'] });
    expect(plan.policies.get('team/system')).toMatchObject({ namespaces: ['kube-system'] });
    expect(plan.policies.get('team/own')).toMatchObject({ kind: 'invalid' });
    const deny = plan.constraints.find(({ policies }) => policies.includes('team/all'));
    expect(deny?.body).toMatchObject({
      spec: {
        match: {
          namespaces: ['*'],
          excludedNamespaces: [
            'federated-sovereignty-system',
            'fso-canary',
            'gatekeeper-system',
            'kube-node-lease',
            'kube-public',
            'kube-system',
          ],
        },
      },
    });
  });

  it('intersects only policies of the same action', () => {
    const { namespaces: governed } = planGovernance(
      [
        policyOf('a', { targetNamespace: 'finance', allowedRegions: EU }),
        policyOf('b', { targetNamespace: 'finance', allowedRegions: ['eu-west-1', 'us-east-1'] }),
        policyOf('c', { targetNamespace: 'finance', allowedRegions: ['us-east-1'], enforcementAction: 'dryrun' }),
      ],
      namespaces,
      NOW,
    );
    expect(governed.get('finance')).toEqual({
      namespace: 'finance',
      actions: {
        deny: { regions: ['eu-west-1'], policies: ['team/a', 'team/b'], revisions: ['-', '-'] },
        dryrun: { regions: ['us-east-1'], policies: ['team/c'], revisions: ['-'] },
      },
      policies: ['team/a', 'team/b', 'team/c'],
      injection: false,
    });
  });

  it('names the commit of each policy, in the order of the policies', () => {
    const plan = planGovernance(
      [
        policyOf('b', { targetNamespace: 'finance', allowedRegions: EU }),
        policyOf('a', { targetNamespace: 'fin*', allowedRegions: EU }, { revision: 'abc' }),
      ],
      namespaces,
      NOW,
    );
    expect(plan.namespaces.get('finance')?.actions.deny).toMatchObject({ policies: ['team/a', 'team/b'], revisions: ['abc', '-'] });
  });

  it.each([
    ['the policy asks for it', [{ placementInjection: true }], true],
    ['no policy asks for it', [{}, { enforcementAction: 'warn' }], false],
    ['another policy asks for it', [{}, { enforcementAction: 'dryrun', placementInjection: true }], true],
    ['a warning is the strongest', [{ enforcementAction: 'warn', placementInjection: true }], true],
    ['only a dryrun policy governs', [{ enforcementAction: 'dryrun', placementInjection: true }], false],
    ['no region is left', [{ placementInjection: true }, { allowedRegions: ['us-east-1'] }], false],
    [
      'only the weaker action has a region',
      [{}, { allowedRegions: ['us-east-1'] }, { enforcementAction: 'warn', placementInjection: true }],
      false,
    ],
  ] as const)('injects the placement or not: %s', (_, specs, expected) => {
    const policies = specs.map((spec, index) =>
      policyOf(`p${index}`, { targetNamespace: 'finance', allowedRegions: EU, ...spec } as SovereignPolicySpecInput),
    );
    expect(planGovernance(policies, namespaces, NOW).namespaces.get('finance')?.injection).toBe(expected);
  });

  it('reports an empty intersection as a conflict of each of its policies, and enforces it', () => {
    const plan = planGovernance(
      [
        policyOf('a', { targetNamespace: 'finance', allowedRegions: EU }),
        policyOf('b', { targetNamespace: 'fin*', allowedRegions: ['us-east-1'] }),
      ],
      namespaces,
      NOW,
    );
    expect(plan.namespaces.get('finance')?.actions.deny?.regions).toEqual([]);
    expect(plan.policies.get('team/a')).toMatchObject({ conflicts: ['finance'] });
    expect(plan.policies.get('team/b')).toMatchObject({ namespaces: ['finance', 'finance-test'], conflicts: ['finance'] });
  });

  it('waits for a namespace that is missing or being deleted, with lock 2 in place', () => {
    const plan = planGovernance(
      [policyOf('a', { targetNamespace: 'soon', allowedRegions: EU })],
      [namespaceOf('soon', { terminating: true })],
      NOW,
    );
    expect(plan.policies.get('team/a')).toMatchObject({
      kind: 'namespaceMissing',
      message: expect.stringContaining('namespace soon'),
      isAbsent: true,
    });
    expect(plan.constraints).toMatchObject([{ policies: ['team/a'], body: { spec: { match: { namespaces: ['soon'] } } } }]);
  });

  it('does not enforce regions that no node can have, and ignores an expiry date that cannot be parsed', () => {
    const allowedRegions = ['eu-west-1', 'x'.repeat(64)];
    // An older CRD accepted such specs.
    const stored = (name: string, changes: Partial<SovereignPolicySpec>) => {
      const policy = policyOf(name, { targetNamespace: 'finance', allowedRegions: EU });
      return { ...policy, spec: { ...policy.spec, ...changes } };
    };
    const { policies } = planGovernance(
      [
        stored('long', { allowedRegions }),
        stored('over', { allowedRegions, expiryDate: '2020-01-01T00:00:00Z' }),
        stored('odd', { expiryDate: '2020-01-01T00:00:00+99:99' }),
      ],
      namespaces,
      NOW,
    );
    expect(policies.get('team/long')).toMatchObject({ kind: 'invalid', message: expect.stringContaining('allowedRegions') });
    expect(policies.get('team/over')).toMatchObject({ kind: 'expired', regions: ['eu-west-1'] });
    expect(policies.get('team/odd')).toMatchObject({ kind: 'governing', namespaces: ['finance'] });
  });

  it('refuses region groups and empty custom actions', () => {
    const { policies, constraints } = planGovernance(
      [
        policyOf('group', { targetNamespace: 'finance', allowedRegions: ['group:eu'] }),
        policyOf('custom', { targetNamespace: 'finance', allowedRegions: EU, enforcementAction: 'custom' }),
      ],
      namespaces,
      NOW,
    );
    expect(policies.get('team/group')).toMatchObject({ kind: 'invalid', message: expect.stringContaining('group:eu') });
    expect(policies.get('team/custom')).toMatchObject({ kind: 'invalid', message: expect.stringContaining('scopedEnforcementActions') });
    expect(constraints).toEqual([]);
  });

  it('gives Gatekeeper custom actions as written, and the floor those for the API server', () => {
    const scopedEnforcementActions = [
      { action: 'deny' as const, enforcementPoints: [{ name: 'vap.k8s.io' as const }] },
      { action: 'warn' as const, enforcementPoints: [{ name: 'validation.gatekeeper.sh' as const }] },
    ];
    const plan = planGovernance(
      [policyOf('a', { targetNamespace: 'finance', allowedRegions: EU, enforcementAction: 'custom', scopedEnforcementActions })],
      namespaces,
      NOW,
    );
    expect(Object.keys(plan.namespaces.get('finance')?.actions ?? {})).toEqual(['deny']);
    expect(plan.constraints).toMatchObject([{ body: { spec: { enforcementAction: 'scoped', scopedEnforcementActions } } }]);
  });

  it('refuses an unknown enforcement point, and plans no constraint if no point is one of Gatekeeper', () => {
    const custom = (name: string, ...points: string[]) => {
      const scopedEnforcementActions = [{ action: 'deny', enforcementPoints: points.map((point) => ({ name: point })) }];
      const plain = policyOf(name, { targetNamespace: 'finance', allowedRegions: EU });
      return { ...plain, spec: { ...plain.spec, enforcementAction: 'custom', scopedEnforcementActions } as SovereignPolicySpec };
    };
    const plan = planGovernance([custom('typo', 'vap.k8s.io', 'validation'), custom('vap', 'vap.k8s.io')], namespaces, NOW);
    expect(plan.policies.get('team/typo')).toMatchObject({
      kind: 'invalid',
      message: expect.stringContaining('validation is not an enforcement point'),
    });
    expect(plan.policies.get('team/vap')).toMatchObject({ kind: 'governing' });
    expect(plan.constraints).toEqual([]);
  });

  it('finds expired policies and the time of the next change', () => {
    const expiring = (name: string, expiryDate: string) => policyOf(name, { targetNamespace: 'finance', allowedRegions: EU, expiryDate });
    const plan = planGovernance([expiring('gone', '2026-01-03T10:30:00Z'), expiring('soon', '2026-01-20T00:00:00Z')], namespaces, NOW);
    expect(plan.policies.get('team/gone')).toMatchObject({ kind: 'expired', expiredAt: '2026-01-03T10:30:00Z' });
    expect(plan.namespaces.get('finance')?.policies).toEqual(['team/soon']);
    expect(plan.nextChangeAt).toEqual(new Date('2026-01-06T00:00:00Z'));
    expect(planGovernance([expiring('gone', '2026-01-03T10:30:00Z')], namespaces, NOW).nextChangeAt).toBeUndefined();
  });

  it('shares one constraint between policies with the same rules', () => {
    const plan = planGovernance(
      [
        policyOf('a', { targetNamespace: 'finance', allowedRegions: ['eu-west-1', 'eu-central-1'] }),
        policyOf('b', { targetNamespace: 'payments', allowedRegions: ['eu-central-1', 'eu-west-1'], excludedNamespaces: ['other'] }),
        policyOf('c', { targetNamespace: 'web', allowedRegions: ['eu-central-1'] }),
      ],
      namespaces,
      NOW,
    );
    expect(plan.constraints.map(({ policies }) => policies).sort()).toEqual([['team/a', 'team/b'], ['team/c']]);
  });

  it('does not depend on the order of policies and namespaces', () => {
    fc.assert(
      fc.property(anyPolicies, fc.shuffledSubarray([...namespaces], { minLength: namespaces.length }), (policies, shuffled) => {
        const { from: _, ...plan } = planGovernance(policies, namespaces, NOW);
        expect(planGovernance([...policies].reverse(), shuffled, NOW)).toMatchObject(plan);
      }),
    );
  });

  it('governs single namespaces as a governor of the same policies does', () => {
    fc.assert(
      fc.property(anyPolicies, (policies) => {
        const planned = planGovernance(policies, namespaces, NOW);
        const steps = createGovernor(policies, { place: USUAL_PLACE, providers: NO_PROVIDERS }, NOW);
        const { rulesIn, governanceIn, regionsOf } = resultOf(steps);
        for (const name of NAMESPACES) expect(governanceIn(name, rulesIn(name))).toEqual(planned.namespaces.get(name));
        for (const [key, outcome] of planned.policies) expect(regionsOf(key)).toEqual(regionsInForce(outcome));
      }),
    );
  });

  it('governs as before when an expired policy is added', () => {
    fc.assert(
      fc.property(anyPolicies, anyPolicies, (policies, [added]) => {
        if (added === undefined) return;
        const expired = { ...added, key: 'team/z', name: 'z', spec: { ...added.spec, expiryDate: NOW.toISOString() } };
        const { policies: _, from: _from, ...plan } = planGovernance(policies, namespaces, NOW);
        expect(planGovernance([...policies, expired], namespaces, NOW)).toMatchObject(plan);
      }),
    );
  });

  it('is quick with thousands of policies and namespaces', () => {
    const many = Array.from({ length: 3000 }, (_, index) => `ns-${index}`);
    const policies = many.map((name) => policyOf(name, { targetNamespace: name, allowedRegions: EU }));
    const plan = planGovernance(
      policies,
      many.map((name) => namespaceOf(name)),
      NOW,
    );
    expect(plan.namespaces.size).toBe(3000);
    expect(plan.constraints).toHaveLength(1);
  });
});
