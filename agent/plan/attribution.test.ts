import type { KubeObject, SovereignPolicy } from '@fso/shared/api';
import { GEO_RESIDENCY_KIND, NAMESPACE_KIND } from '@fso/shared/kube';
import { describe, expect, it } from 'vitest';
import type { Action, DesiredConstraint, Governance, NamespaceGovernance } from '../enforce/index.ts';
import { type AttributionContext, attributeReason, collectReasons } from './attribution.ts';
import type { ClusterPlan } from './plan.ts';

const CONSTRAINT: DesiredConstraint = {
  name: 'geo-deny-1',
  group: 'geo-deny-1',
  former: undefined,
  policies: ['team/a'],
  from: [],
  body: { metadata: { name: 'geo-deny-1' } },
};
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
    reasons: new Map(),
    text: 'now',
    ...changes,
  }) as ClusterPlan;
const contextOf = (changes: Partial<AttributionContext> & { live?: KubeObject; policy?: SovereignPolicy } = {}): AttributionContext => ({
  view: { objectOf: () => changes.live, livePolicy: () => changes.policy },
  governance,
  present: new Set(),
  uids: new Map([['finance', 'u1']]),
  installed: { keys: [], text: 'now' },
  gate: undefined,
  text: 'now',
  previous: planOf(),
  ...changes,
});
const reasonOf = (action: Action, context: AttributionContext): string => attributeReason(action, context).reason;
const FLOOR = apply('ValidatingAdmissionPolicy', 'fso-floor-pods-deny', 'Install');

describe('a round after another', () => {
  it('recognizes a missing object as deleted', () => {
    expect(reasonOf(FLOOR, contextOf())).toBe('Install');
    expect(reasonOf(FLOOR, contextOf({ previous: planOf({ present: new Set([FLOOR.key]) }) }))).toBe('Drift');
  });

  it('recognizes an emptied constraint as changed, but not one that a policy joins', () => {
    const join = apply('K8sGeoResidency', CONSTRAINT.name, 'Join');
    const present = new Set([join.key]);
    expect(reasonOf(join, contextOf({ present }))).toBe('Drift');
    expect(reasonOf(join, contextOf({ present, governance: { ...governance, constraints: [{ ...CONSTRAINT }] } }))).toBe('Join');
    expect(reasonOf(join, contextOf({ present, previous: planOf({ gatekeeper: [join] }) }))).toBe('Join');
    expect(reasonOf({ ...join, reason: 'Leave' }, contextOf({ present }))).toBe('Leave');
  });

  it('recognizes a constraint that lost its bind gate as changed, not one that gets it', () => {
    const drift = apply('K8sGeoResidency', CONSTRAINT.name, 'Drift');
    const round = { live: CONSTRAINT.body, present: new Set([drift.key]) };
    expect(reasonOf(drift, contextOf(round))).toBe('Extend');
    expect(reasonOf(drift, contextOf({ ...round, previous: planOf({ gated: new Set([CONSTRAINT.name]) }) }))).toBe('Drift');
  });

  it('recognizes a namespace that lost its labels as changed, but not one that was created again', () => {
    const label = apply('Namespace', 'finance', 'Govern');
    expect(reasonOf(label, contextOf())).toBe('Drift');
    expect(reasonOf(label, contextOf({ uids: new Map([['finance', 'u2']]) }))).toBe('Govern');
    expect(reasonOf(label, contextOf({ previous: planOf({ unapplied: new Set(['finance']) }) }))).toBe('Govern');
    expect(reasonOf(label, contextOf({ governance: { ...governance, namespaces: new Map([['finance', { ...FINANCE }]]) } }))).toBe(
      'Govern',
    );
  });

  it('recognizes an object with another field manager as changed', () => {
    const live = { metadata: { name: 'x', managedFields: [{ manager: 'kubectl-edit', fieldsV1: { 'f:spec': { 'f:nodes': {} } } }] } };
    const update = apply('FloorParameters', 'nodes', 'Update');
    expect(reasonOf(update, contextOf({ live, present: new Set([update.key]) }))).toBe('Drift');
    expect(reasonOf(update, contextOf({ live: { metadata: { name: 'x' } }, present: new Set([update.key]) }))).toBe('Update');
  });
});

describe('the first round of an agent', () => {
  const first = { previous: undefined } as const;

  it('installs missing objects, and recognizes what was deleted while no agent ran', () => {
    expect(reasonOf(FLOOR, contextOf(first))).toBe('Install');
    expect(reasonOf(FLOOR, contextOf({ ...first, installed: { keys: [FLOOR.key], text: 'now' } }))).toBe('Drift');
  });

  it('knows from the status of its policies that a constraint existed', () => {
    const join = apply('K8sGeoResidency', CONSTRAINT.name, 'Join', ['team/a']);
    const policy = (constraintCreated: boolean) =>
      ({ metadata: { name: 'a', generation: 2 }, status: { constraintCreated, observedGeneration: 2 } }) as SovereignPolicy;
    expect(reasonOf(join, contextOf({ ...first, policy: policy(true) }))).toBe('Drift');
    expect(reasonOf(join, contextOf({ ...first, policy: policy(false) }))).toBe('Join');
  });

  it('distinguishes the text of an older version from tampering, unless it names another field manager', () => {
    const drift = { ...FLOOR, reason: 'Drift' };
    const live = { metadata: { name: 'x' } };
    const present = new Set([FLOOR.key]);
    const older = { ...first, live, present, installed: { keys: [], text: 'before' } };
    expect(reasonOf(drift, contextOf(older))).toBe('Upgrade');
    expect(reasonOf(drift, contextOf({ ...older, installed: { keys: [], text: 'now' } }))).toBe('Drift');
    const signed = { metadata: { name: 'x', managedFields: [{ manager: 'helm', fieldsV1: { 'f:spec': { 'f:failurePolicy': {} } } }] } };
    expect(reasonOf(drift, contextOf({ ...older, live: signed }))).toBe('Drift');
  });
});

describe('a write that waits from one round to the next', () => {
  const present = new Set([FLOOR.key]);
  const live = { metadata: { name: 'x', resourceVersion: '1' } };
  const drift = { ...FLOOR, reason: 'Drift' };
  /** The rounds one after the other, each with what the one before it made of the action. */
  const reasonsOf = (actions: readonly Action[], changes: Parameters<typeof contextOf>[0] = {}): readonly string[] => {
    let previous: ClusterPlan | undefined;
    return actions.map((action) => {
      const context = contextOf({ installed: { keys: [FLOOR.key], text: 'before' }, ...changes, previous });
      const given = attributeReason(action, context);
      previous = planOf({ present: context.present, reasons: collectReasons([given], context.view) });
      return given.reason;
    });
  };

  it('stays an upgrade, in all its steps, until someone else changes it', () => {
    const patch: Action = { ...drift, type: 'patch', ref: { name: 'x' }, patch: {} };
    expect(reasonsOf([drift, drift, drift], { present, live })).toEqual(['Upgrade', 'Upgrade', 'Upgrade']);
    expect(reasonsOf([patch, patch], { present, live })).toEqual(['Upgrade', 'Upgrade']);
    const previous = planOf({ present, reasons: new Map([[FLOOR.key, { reason: 'Upgrade', version: '1' }]]) });
    const signed = { metadata: { name: 'x', managedFields: [{ manager: 'helm', fieldsV1: { 'f:spec': { 'f:failurePolicy': {} } } }] } };
    expect(reasonOf(drift, contextOf({ present, live: signed, previous }))).toBe('Drift');
    expect(reasonOf(FLOOR, contextOf({ previous }))).toBe('Drift');
    expect(reasonOf(drift, contextOf({ present, live, previous: planOf({ present }) }))).toBe('Drift');
  });

  it('stays a repair as long as nothing was written', () => {
    expect(reasonsOf([FLOOR, FLOOR, FLOOR])).toEqual(['Drift', 'Drift', 'Drift']);
    const previous = planOf({
      reasons: new Map([['Namespace/finance', { reason: 'Drift', version: '1' }]]),
      unapplied: new Set(['finance']),
    });
    const govern = apply('Namespace', 'finance', 'Govern');
    expect(reasonOf(govern, contextOf({ live, previous }))).toBe('Drift');
    expect(reasonOf(govern, contextOf({ live: { metadata: { name: 'finance', resourceVersion: '2' } }, previous }))).toBe('Govern');
  });

  it('is an upgrade, too, where this version itself changes its text', () => {
    const context = { present, live, installed: { keys: [], text: 'before' } };
    expect(reasonOf(drift, contextOf({ ...context, previous: planOf({ present, text: 'before' }) }))).toBe('Upgrade');
    expect(reasonOf(drift, contextOf({ ...context, previous: planOf({ present }) }))).toBe('Drift');
  });
});

it('counts the repair of the steps of one target', () => {
  const steps = ['Upgrade', 'Drift', 'Join'].map((reason) => ({ ...FLOOR, reason }));
  expect(collectReasons(steps, { objectOf: () => undefined }).get(FLOOR.key)).toEqual({ reason: 'Drift', version: undefined });
});
