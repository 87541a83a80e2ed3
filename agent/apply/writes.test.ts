import { CANARY_NAMESPACE, FINALIZER, floorPoliciesAnnotation, LABELS, type SovereignPolicy, SYSTEM_NAMESPACE } from '@fso/shared/api';
import { describe, expect, it } from 'vitest';
import { canaryBody } from '../enforce/gatekeeper/canary.ts';
import { CANARY_GOVERNANCE, CANARY_NAME } from '../enforce/index.ts';
import type { ClusterPlan } from '../plan/index.ts';
import { buildFinalizerWrites, type WriteContext } from './writes.ts';

const POLICY = 'team/eu';
const policyOf = (metadata: object): SovereignPolicy => ({ metadata: { namespace: 'team', name: 'eu', ...metadata } }) as SovereignPolicy;
const DELETED = policyOf({ finalizers: ['other', FINALIZER], deletionTimestamp: '2026-01-03T10:30:00Z' });

const CONSTRAINT = {
  metadata: { name: 'geo-deny-1', labels: { [LABELS.component]: 'constraint' } },
  spec: { parameters: { policies: [`${POLICY} finance`] } },
};
const NAMESPACE = { metadata: { name: 'finance', annotations: { [floorPoliciesAnnotation('deny')]: `team/other,${POLICY}` } } };

interface Cluster {
  readonly namespaces?: readonly object[];
  readonly constraints?: readonly object[];
  readonly parameters?: readonly object[];
  readonly isGatekeeperServed?: boolean;
}

/** The reasons of the writes of finalizers. @param stuck keys of writes that keep failing */
const reasonsFor = (policy: SovereignPolicy, cluster: Cluster = {}, pending: readonly object[] = [], stuck: readonly string[] = []) => {
  const view = {
    livePolicies: () => [policy],
    namespaces: { list: () => cluster.namespaces ?? [] },
    templates: { served: cluster.isGatekeeperServed ?? true },
    constraints: { list: () => cluster.constraints ?? [] },
    parameters: { list: () => cluster.parameters ?? [] },
  };
  const plan = { namespaces: pending } as unknown as ClusterPlan;
  return buildFinalizerWrites(plan, new Set(stuck), { view } as unknown as WriteContext).map(({ reason }) => reason);
};

describe('the finalizer of a policy', () => {
  it('comes first, and goes once nothing enforces the policy', () => {
    expect(reasonsFor(policyOf({}))).toEqual(['Hold']);
    expect(reasonsFor(policyOf({ finalizers: [FINALIZER] }))).toEqual([]);
    expect(reasonsFor(DELETED)).toEqual(['Released']);
    expect(reasonsFor(policyOf({ deletionTimestamp: '2026-01-03T10:30:00Z' }))).toEqual([]);
  });

  it('stays while a lock enforces the policy', () => {
    expect(reasonsFor(DELETED, { namespaces: [NAMESPACE] })).toEqual([]);
    expect(reasonsFor(DELETED, {}, [{ policies: [POLICY] }])).toEqual([]);
    expect(reasonsFor(DELETED, { constraints: [CONSTRAINT] })).toEqual([]);
    expect(reasonsFor(DELETED, { parameters: [{ spec: { namespaces: { finance: { policies: POLICY } } } }] })).toEqual([]);
    expect(reasonsFor(DELETED, { parameters: [{ spec: { patterns: [{ policies: `a/b,${POLICY}` }] } }] })).toEqual([]);
  });

  it.each([CANARY_NAME, CANARY_NAMESPACE])('does not take the canaries for locks of a policy called %s', (name) => {
    const index = { [CANARY_NAMESPACE]: { policies: CANARY_GOVERNANCE.actions.deny?.policies.join(',') } };
    const canaries = { constraints: [canaryBody()], parameters: [{ spec: { namespaces: index } }] };
    expect(reasonsFor({ ...DELETED, metadata: { ...DELETED.metadata, namespace: SYSTEM_NAMESPACE, name } }, canaries)).toEqual([
      'Released',
    ]);
  });

  it('does not wait for a lock that is gone or cannot be written', () => {
    expect(reasonsFor(DELETED, { constraints: [CONSTRAINT], isGatekeeperServed: false })).toEqual(['Released']);
    expect(reasonsFor(DELETED, { constraints: [CONSTRAINT] }, [], ['K8sGeoResidency/geo-deny-1'])).toEqual(['Released']);
    const leaving = { metadata: { ...NAMESPACE.metadata, deletionTimestamp: '2026-01-03T10:30:00Z' } };
    expect(reasonsFor(DELETED, { namespaces: [leaving] })).toEqual(['Released']);
  });
});
