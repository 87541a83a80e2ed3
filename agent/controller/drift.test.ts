import type { KubeObject, SovereignPolicy } from '@fso/shared/api';
import { GEO_RESIDENCY_KIND, NAMESPACE_KIND } from '@fso/shared/kube';
import { describe, expect, it } from 'vitest';
import type { Action, DesiredConstraint, Governance, NamespaceGovernance } from '../enforce/types.ts';
import { judged, type Round } from './drift.ts';
import type { ClusterPlan } from './plan.ts';

const CONSTRAINT: DesiredConstraint = { name: 'geo-deny-1', policies: ['team/a'], body: { metadata: { name: 'geo-deny-1' } } };
const FINANCE = { namespace: 'finance', actions: {}, policies: ['team/a'] } as unknown as NamespaceGovernance;

const apply = (kind: string, name: string, reason: string, policies: readonly string[] = []): Action => ({
  type: 'apply',
  key: `${kind}/${name}`,
  kind: { ...(kind === 'Namespace' ? NAMESPACE_KIND : GEO_RESIDENCY_KIND), kind },
  body: { metadata: { name } },
  fieldManager: 'test',
  reason,
  policies,
});
const governance = {
  namespaces: new Map([['finance', FINANCE]]),
  policies: new Map(),
  constraints: [CONSTRAINT],
  nextChangeAt: undefined,
} as unknown as Governance;
const planOf = (changes: Partial<ClusterPlan> = {}): ClusterPlan =>
  ({
    governance,
    present: new Set(),
    uids: new Map([['finance', 'u1']]),
    unapplied: new Set(),
    gatekeeper: [],
    gated: new Set(),
    ...changes,
  }) as ClusterPlan;
const roundOf = (changes: Partial<Round> & { live?: KubeObject; policy?: SovereignPolicy } = {}): Round => ({
  view: { objectOf: () => changes.live, livePolicy: () => changes.policy },
  governance,
  present: new Set(),
  uids: new Map([['finance', 'u1']]),
  installed: { keys: [], text: 'now' },
  text: 'now',
  previous: planOf(),
  ...changes,
});
const reasonOf = (action: Action, round: Round): string => judged(action, round).reason;
const FLOOR = apply('ValidatingAdmissionPolicy', 'fso-floor-pods-deny', 'Install');

describe('a round after another', () => {
  it('takes what was there and is gone for deleted', () => {
    expect(reasonOf(FLOOR, roundOf())).toBe('Install');
    expect(reasonOf(FLOOR, roundOf({ previous: planOf({ present: new Set([FLOOR.key]) }) }))).toBe('Drift');
  });

  it('takes a constraint that somebody emptied for changed, not one that a policy joins', () => {
    const join = apply('K8sGeoResidency', CONSTRAINT.name, 'Join');
    const present = new Set([join.key]);
    expect(reasonOf(join, roundOf({ present }))).toBe('Drift');
    expect(reasonOf(join, roundOf({ present, governance: { ...governance, constraints: [{ ...CONSTRAINT }] } }))).toBe('Join');
    expect(reasonOf(join, roundOf({ present, previous: planOf({ gatekeeper: [join] }) }))).toBe('Join');
    expect(reasonOf({ ...join, reason: 'Leave' }, roundOf({ present }))).toBe('Leave');
  });

  it('takes a constraint that lost its bind gate for changed, not one that gets it', () => {
    const drift = apply('K8sGeoResidency', CONSTRAINT.name, 'Drift');
    const round = { live: CONSTRAINT.body, present: new Set([drift.key]) };
    expect(reasonOf(drift, roundOf(round))).toBe('Extend');
    expect(reasonOf(drift, roundOf({ ...round, previous: planOf({ gated: new Set([CONSTRAINT.name]) }) }))).toBe('Drift');
  });

  it('takes a namespace that lost its labels for changed, not one that was made anew', () => {
    const label = apply('Namespace', 'finance', 'Govern');
    expect(reasonOf(label, roundOf())).toBe('Drift');
    expect(reasonOf(label, roundOf({ uids: new Map([['finance', 'u2']]) }))).toBe('Govern');
    expect(reasonOf(label, roundOf({ previous: planOf({ unapplied: new Set(['finance']) }) }))).toBe('Govern');
    expect(reasonOf(label, roundOf({ governance: { ...governance, namespaces: new Map([['finance', { ...FINANCE }]]) } }))).toBe('Govern');
  });

  it('takes for changed what somebody else signed', () => {
    const live = { metadata: { name: 'x', managedFields: [{ manager: 'kubectl-edit', fieldsV1: { 'f:spec': {} } }] } };
    const update = apply('FloorParameters', 'nodes', 'Update');
    expect(reasonOf(update, roundOf({ live, present: new Set([update.key]) }))).toBe('Drift');
    expect(reasonOf(update, roundOf({ live: { metadata: { name: 'x' } }, present: new Set([update.key]) }))).toBe('Update');
  });
});

describe('the first round of an agent', () => {
  const first = { previous: undefined } as const;

  it('installs what never was there, and knows what was deleted while no agent ran', () => {
    expect(reasonOf(FLOOR, roundOf(first))).toBe('Install');
    expect(reasonOf(FLOOR, roundOf({ ...first, installed: { keys: [FLOOR.key], text: 'now' } }))).toBe('Drift');
  });

  it('knows from the status of its policies that a constraint was there', () => {
    const join = apply('K8sGeoResidency', CONSTRAINT.name, 'Join', ['team/a']);
    const policy = (constraintCreated: boolean) =>
      ({ metadata: { name: 'a', generation: 2 }, status: { constraintCreated, observedGeneration: 2 } }) as SovereignPolicy;
    expect(reasonOf(join, roundOf({ ...first, policy: policy(true) }))).toBe('Drift');
    expect(reasonOf(join, roundOf({ ...first, policy: policy(false) }))).toBe('Join');
  });

  it('does not take the text of an older version for tampering, unless somebody signed it', () => {
    const drift = { ...FLOOR, reason: 'Drift' };
    const live = { metadata: { name: 'x' } };
    const present = new Set([FLOOR.key]);
    const older = { ...first, live, present, installed: { keys: [], text: 'before' } };
    expect(reasonOf(drift, roundOf(older))).toBe('Upgrade');
    expect(reasonOf(drift, roundOf({ ...older, installed: { keys: [], text: 'now' } }))).toBe('Drift');
    const signed = { metadata: { name: 'x', managedFields: [{ manager: 'helm', fieldsV1: { 'f:spec': {} } }] } };
    expect(reasonOf(drift, roundOf({ ...older, live: signed }))).toBe('Drift');
  });
});
