import { FLOOR_ACTIONS, floorLabel, floorRegionsAnnotation, LABELS } from '@fso/shared/api';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { planGovernance } from './governance.ts';
import { planNamespaces } from './namespaces.ts';
import { anyPolicies, applyToNamespaces, foreign, NAMESPACES, NOW, namespaceOf, policyOf } from './testing/policies.ts';
import type { NamespaceInput, PolicyInput } from './types.ts';

const LATER = new Date('2026-01-04T00:00:00Z');
const finance = namespaceOf('finance', { labels: { team: 'money' }, annotations: { note: 'x' } });
const eu = policyOf('eu', { targetNamespace: 'finance', allowedRegions: ['eu-west-1', 'eu-central-1'] });

const plan = (policies: readonly PolicyInput[], namespaces: readonly NamespaceInput[], now = NOW) =>
  planNamespaces(planGovernance(policies, namespaces, now), namespaces, now);

const settle = (policies: readonly PolicyInput[], namespaces: readonly NamespaceInput[], now = NOW) =>
  applyToNamespaces(namespaces, plan(policies, namespaces, now));

const bodyOf = (policies: readonly PolicyInput[], namespaces: readonly NamespaceInput[], now = NOW) => {
  const [action] = plan(policies, namespaces, now);
  return action?.type === 'apply' ? action.body.metadata : undefined;
};

describe('planNamespaces', () => {
  it('writes labels, exact values beside them, and the keys that select into the floor', () => {
    expect(plan([eu], [finance])).toEqual([
      expect.objectContaining({
        type: 'apply',
        key: 'Namespace/finance',
        reason: 'Govern',
        policies: ['team/eu'],
        fieldManager: 'fso-agent-namespaces',
      }),
    ]);
    expect(bodyOf([eu], [finance])).toEqual({
      name: 'finance',
      labels: {
        'compliance.gov/allowed-regions': 'eu-central-1_eu-west-1',
        'compliance.gov/policy-name': 'eu',
        'compliance.gov/policy-namespace': 'team',
        'compliance.gov/enforcement-action': 'deny',
        'compliance.gov/updated-at': '2026-01-03T10-30-00Z',
        'compliance.gov/floor-deny': 'active',
      },
      annotations: {
        'compliance.gov/allowed-regions': 'eu-central-1,eu-west-1',
        'compliance.gov/policy-name': 'eu',
        'compliance.gov/policy-namespace': 'team',
        'compliance.gov/enforcement-action': 'deny',
        'compliance.gov/updated-at': '2026-01-03T10:30:00Z',
        'compliance.gov/floor-deny-regions': 'eu-central-1,eu-west-1',
        'compliance.gov/floor-deny-policies': 'team/eu',
        'compliance.gov/floor-deny-revisions': '-',
      },
    });
  });

  it('names the strongest action first', () => {
    const warn = policyOf('a-warn', { targetNamespace: 'finance', allowedRegions: ['us-east-1'], enforcementAction: 'warn' });
    const labels = bodyOf([warn, eu], [finance])?.labels;
    expect(labels).toMatchObject({
      'compliance.gov/policy-name': 'eu',
      'compliance.gov/enforcement-action': 'deny',
      'compliance.gov/floor-deny': 'active',
      'compliance.gov/floor-warn': 'active',
    });
  });

  it('keeps label values valid, however long the exact ones are', () => {
    const regions = Array.from({ length: 20 }, (_, index) => `region-${index}`);
    const long = policyOf(`${'p.'.repeat(60)}p`, { targetNamespace: 'finance', allowedRegions: regions });
    const body = bodyOf([long], [finance]);
    for (const value of Object.values(body?.labels ?? {}))
      expect(value).toMatch(/^(?=.{0,63}$)([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$/);
    expect(body?.annotations?.[LABELS.policyName]).toBe(long.name);
  });

  it('writes custom if only Gatekeeper enforces', () => {
    const scopedEnforcementActions = [{ action: 'deny' as const, enforcementPoints: [{ name: 'audit.gatekeeper.sh' as const }] }];
    const custom = policyOf('c', { ...eu.spec, enforcementAction: 'custom', scopedEnforcementActions });
    const labels = bodyOf([custom], [finance])?.labels;
    expect(labels).toMatchObject({
      'compliance.gov/enforcement-action': 'custom',
      'compliance.gov/allowed-regions': 'eu-central-1_eu-west-1',
    });
    expect(labels).not.toHaveProperty('compliance.gov/floor-deny');
  });

  it('releases a namespace: the audit trail stays, the selecting labels go', () => {
    const governed = settle([eu], [finance]);
    const released = settle([], governed, LATER)[0];
    expect(released?.labels).toEqual({
      team: 'money',
      'compliance.gov/allowed-regions': 'eu-central-1_eu-west-1',
      'compliance.gov/policy-name': 'eu',
      'compliance.gov/policy-namespace': 'team',
      'compliance.gov/enforcement-action': 'released',
      'compliance.gov/updated-at': '2026-01-04T00-00-00Z',
    });
    expect(plan([], governed, LATER)).toMatchObject([{ reason: 'Release', policies: ['team/eu'] }]);
  });

  it('writes expired after the expiry of the policy, and keeps it when the policy is deleted', () => {
    const expiring = policyOf('eu', { ...eu.spec, expiryDate: '2026-01-03T12:00:00Z' });
    const expired = settle([expiring], settle([expiring], [finance]), LATER);
    expect(expired[0]?.labels[LABELS.enforcementAction]).toBe('expired');
    expect(plan([], expired, LATER)).toEqual([]);
  });

  it('reports a change by another writer as drift, and reverts it', () => {
    const [governed = finance] = settle([eu], [finance]);
    const { 'compliance.gov/floor-deny': _, ...without } = governed.labels;
    const tampered: NamespaceInput[] = [
      { ...governed, labels: without },
      { ...governed, labels: { ...governed.labels, [LABELS.enforcementAction]: 'released' } },
      { ...governed, annotations: { ...governed.annotations, 'compliance.gov/floor-deny-regions': 'us-east-1' } },
      { ...governed, annotations: {} },
    ];
    for (const namespace of tampered) {
      expect(plan([eu], [namespace], LATER)).toMatchObject([{ reason: 'Drift' }]);
      expect(plan([eu], settle([eu], [namespace], LATER), LATER)).toEqual([]);
    }
  });

  it('disarms a floor label without a policy that apply cannot remove', () => {
    const planted = namespaceOf('web', { labels: { 'compliance.gov/floor-deny': 'active' } });
    const body = bodyOf([], [planted]);
    expect(body?.labels).toMatchObject({ 'compliance.gov/floor-deny': 'released' });
    const settled = { ...planted, labels: body?.labels ?? {}, annotations: body?.annotations ?? {} };
    expect(plan([], [settled])).toEqual([]);
    const [governed = finance] = settle([eu], [finance]);
    const extra = { ...governed, labels: { ...governed.labels, 'compliance.gov/floor-warn': 'active' } };
    expect(bodyOf([eu], [extra])?.labels).toMatchObject({ 'compliance.gov/floor-deny': 'active', 'compliance.gov/floor-warn': 'released' });
  });

  it('disarms a floor label that another manager owns too, and keeps it disarmed', () => {
    const [governed = finance] = settle([eu], [finance]);
    const held = { ...governed, held: ['compliance.gov/floor-deny'] };
    const warned = policyOf('eu', { ...eu.spec, enforcementAction: 'warn' });
    const body = bodyOf([warned], [held]);
    expect(body?.labels).toMatchObject({ 'compliance.gov/floor-deny': 'released', 'compliance.gov/floor-warn': 'active' });
    const after = { ...held, labels: body?.labels ?? {}, annotations: { ...held.annotations, ...body?.annotations } };
    expect(plan([warned], [after], LATER)).toEqual([]);
  });

  it('selects into placement injection while a policy asks for it, and reverts changes of that too', () => {
    const asking = policyOf('eu', { ...eu.spec, placementInjection: true });
    const [injected = finance] = settle([asking], [finance]);
    expect(injected.labels).toMatchObject({ 'compliance.gov/placement-injection': 'active' });
    const { 'compliance.gov/placement-injection': _, ...without } = injected.labels;
    expect(plan([asking], [{ ...injected, labels: without }], LATER)).toMatchObject([{ reason: 'Drift' }]);
    expect(settle([eu], [injected], LATER)[0]?.labels).not.toHaveProperty('compliance.gov/placement-injection');
    expect(settle([], [injected], LATER)[0]?.labels).not.toHaveProperty('compliance.gov/placement-injection');
    const planted = namespaceOf('web', { labels: { 'compliance.gov/placement-injection': 'active' } });
    expect(bodyOf([], [planted])?.labels).toMatchObject({ 'compliance.gov/placement-injection': 'released' });
  });

  it('does not write because of an annotation without effect', () => {
    const [governed = finance] = settle([eu], [finance]);
    expect(plan([eu], [{ ...governed, annotations: { ...governed.annotations, 'compliance.gov/floor-warn-regions': 'x' } }])).toEqual([]);
  });

  it('leaves namespaces alone that were never governed or are being deleted', () => {
    const [governed = finance] = settle([eu], [finance]);
    expect(plan([], [namespaceOf('web'), { ...governed, terminating: true }])).toEqual([]);
  });

  it('has nothing left to do after its own writes, keeps foreign keys, and does not depend on order', () => {
    const start = NAMESPACES.map((name) => namespaceOf(name, { labels: { team: name }, annotations: { note: name } }));
    fc.assert(
      fc.property(anyPolicies, anyPolicies, (before, after) => {
        const first = settle(before, start);
        const second = settle(after, first, LATER);
        expect(plan(before, first, LATER)).toEqual([]);
        expect(plan(after, second, LATER)).toEqual([]);
        expect(second.map(({ labels }) => foreign(labels))).toEqual(start.map(({ labels }) => labels));
        const written = plan(after, first, LATER).flatMap((action) => (action.type === 'apply' ? [action.body.metadata] : []));
        for (const { labels, annotations } of written) expect([foreign(labels ?? {}), foreign(annotations ?? {})]).toEqual([{}, {}]);
        expect(plan([...after].reverse(), [...first].reverse(), LATER).reverse()).toEqual(plan(after, first, LATER));
      }),
    );
  });

  it('selects each governed namespace into the floor with its regions, and no other', () => {
    const start = NAMESPACES.map((name) => namespaceOf(name));
    const floorOf = ({ labels, annotations }: NamespaceInput) =>
      FLOOR_ACTIONS.map((action) => [labels[floorLabel(action)], annotations[floorRegionsAnnotation(action)]]);
    fc.assert(
      fc.property(anyPolicies, anyPolicies, (before, after) => {
        const { namespaces } = planGovernance(after, start, LATER);
        const wanted = NAMESPACES.map((name) =>
          FLOOR_ACTIONS.map((action) => {
            const governed = namespaces.get(name)?.actions[action];
            return governed === undefined ? [undefined, undefined] : ['active', governed.regions.join(',')];
          }),
        );
        expect(settle(after, settle(before, start), LATER).map(floorOf)).toEqual(wanted);
      }),
    );
  });
});
