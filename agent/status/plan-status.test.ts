import type { SovereignPolicyStatus } from '@fso/shared/api';
import { describe, expect, it } from 'vitest';
import type { PolicyInput, PolicyOutcome } from '../enforce/index.ts';
import type { LockFacts, PolicyLocks } from './locks.ts';
import { isProven, type PolicyObservations, planStatus, type StatusInput } from './plan-status.ts';
import { isShown, planPolicyEvents } from './policy-events.ts';

const NOW = new Date('2026-01-01T00:00:00.000Z');
const ENFORCED: LockFacts = { state: 'Enforced' };
const LOCKS: PolicyLocks = { admission: ENFORCED, gatekeeper: ENFORCED, binding: ENFORCED, constraintCreated: true };
const GOVERNING: PolicyOutcome = { kind: 'governing', regions: ['eu-west-1'], namespaces: ['finance'], conflicts: [] };

const policy = (changes: Partial<PolicyInput['spec']> = {}): PolicyInput => ({
  key: 'default/p',
  namespace: 'default',
  name: 'p',
  managedBy: 'local',
  revision: undefined,
  generation: 3,
  deleting: false,
  spec: { targetNamespace: 'finance', allowedRegions: ['eu-west-1'], enforcementAction: 'deny', ...changes },
});

const plan = ({
  observed,
  ...changes
}: Partial<Omit<StatusInput, 'observed'>> & { observed?: Partial<PolicyObservations> } = {}): SovereignPolicyStatus =>
  planStatus({
    policy: policy(),
    outcome: GOVERNING,
    previous: undefined,
    locks: LOCKS,
    observed: { violations: 0, ...observed },
    now: NOW,
    ...changes,
  });

const conditionOf = (status: SovereignPolicyStatus, type: string) => status.conditions?.find((condition) => condition.type === type);

describe('planStatus', () => {
  it('is Active once every lock is proven', () => {
    const status = plan();
    expect(status).toMatchObject({ phase: 'Active', constraintCreated: true, namespaces: ['finance'], observedGeneration: 3 });
    expect(conditionOf(status, 'Ready')).toMatchObject({ status: 'True', observedGeneration: 3 });
    expect(isProven(status)).toBe(true);
  });

  it('mentions placement injection only where the policy asks for it', () => {
    expect(conditionOf(plan(), 'PlacementInjection')).toBeUndefined();
    const missing = plan({ observed: { injection: { active: false, reason: 'Unavailable', message: 'not served' } } });
    expect(conditionOf(missing, 'PlacementInjection')).toMatchObject({ status: 'False', reason: 'Unavailable', message: 'not served' });
    expect(missing.phase).toBe('Active');
    const active = plan({ previous: missing, observed: { injection: { active: true, reason: 'Active', message: '' } } });
    expect(conditionOf(active, 'PlacementInjection')).toMatchObject({ status: 'True' });
    expect(conditionOf(plan({ previous: active }), 'PlacementInjection')).toBeUndefined();
  });

  it('is Pending while a lock is', () => {
    const status = plan({ locks: { ...LOCKS, admission: { state: 'Pending', message: 'not proven' } } });
    expect(status).toMatchObject({ phase: 'Pending', message: 'not proven' });
    expect(isProven(status)).toBe(false);
  });

  it('stays Active with lock 1 alone, and reports the problem of lock 2', () => {
    const status = plan({ locks: { ...LOCKS, gatekeeper: { state: 'Degraded', message: 'no constraints' }, constraintCreated: false } });
    expect(status).toMatchObject({ phase: 'Active', constraintCreated: false });
    expect(conditionOf(status, 'GatekeeperReady')).toMatchObject({ status: 'False', reason: 'Degraded', message: 'no constraints' });
    expect(isProven(status)).toBe(false);
  });

  it('fails when no lock is there, or lock 1 is not proven', () => {
    const none: LockFacts = { state: 'Unavailable', message: 'not here' };
    expect(plan({ locks: { ...LOCKS, admission: none, binding: none, gatekeeper: none } }).phase).toBe('Failed');
    expect(plan({ locks: { ...LOCKS, admission: { state: 'Degraded', message: 'open' } } })).toMatchObject({
      phase: 'Failed',
      message: 'open',
    });
  });

  it('is Active on an API server that is too old for the bind gate, or for lock 1', () => {
    const none: LockFacts = { state: 'Unavailable', message: 'too old' };
    expect(plan({ locks: { ...LOCKS, binding: none } }).phase).toBe('Active');
    const status = plan({ locks: { ...LOCKS, admission: none, binding: none } });
    expect(status.phase).toBe('Active');
    expect(conditionOf(status, 'FloorReady')).toMatchObject({ status: 'False', message: 'too old' });
  });

  it.each([
    [{ kind: 'namespaceMissing', regions: ['eu-west-1'], message: 'no namespace', isAbsent: true } as const, 'Failed', 'NamespaceMissing'],
    [{ kind: 'invalid', message: 'group' } as const, 'Failed', 'Invalid'],
    [{ kind: 'expired', regions: ['eu-west-1'], expiredAt: '2025-12-31T00:00:00Z' } as const, 'Expired', 'Expired'],
  ])('reports %o', (outcome, phase, reason) => {
    const status = plan({ outcome });
    expect(status.phase).toBe(phase);
    expect(conditionOf(status, 'Ready')).toMatchObject({ status: 'False', reason });
  });

  it.each([
    ['local', true, 'Failed'],
    ['local', false, 'Pending'],
    ['hub', true, 'Pending'],
    ['hub', false, 'Pending'],
  ] as const)(
    'waits for a namespace that does not exist, enforces nothing and holds back no commit: %s, named %s',
    (managedBy, isAbsent, phase) => {
      const NOTHING: LockFacts = { state: 'NotApplicable' };
      const locks = { admission: NOTHING, gatekeeper: NOTHING, binding: NOTHING, constraintCreated: false };
      const outcome = { kind: 'namespaceMissing', regions: ['eu-west-1'], message: 'no namespace', isAbsent } as const;
      const status = plan({ policy: { ...policy(), managedBy }, outcome, locks });
      expect(status).toMatchObject({ phase, message: 'no namespace' });
      expect(isProven(status)).toBe(true);
      expect(conditionOf(status, 'Reconciling')).toMatchObject({ status: 'True', reason: 'NamespaceMissing', message: 'no namespace' });
      expect(conditionOf(status, 'Stalled')).toBeUndefined();
      const listing: LockFacts = { state: 'Pending', message: 'the index does not have it yet' };
      expect(isProven(plan({ outcome, locks: { ...locks, admission: listing, binding: listing } }))).toBe(false);
    },
  );

  it('shows tools whether to wait: Reconciling while Pending, Stalled while Failed or Expired, neither once Active', () => {
    const stateOf = (status: SovereignPolicyStatus) =>
      ['Reconciling', 'Stalled']
        .map((type) => conditionOf(status, type))
        .map((found) => found && [found.status, found.reason, found.observedGeneration]);
    const pending = plan({ locks: { ...LOCKS, admission: { state: 'Pending', message: 'not proven' } } });
    expect(stateOf(pending)).toEqual([['True', 'Proving', 3], undefined]);
    expect(conditionOf(pending, 'Reconciling')?.message).toBe('not proven');
    const failed = plan({ previous: pending, outcome: { kind: 'invalid', message: 'group' } });
    expect(stateOf(failed)).toEqual([undefined, ['True', 'Invalid', 3]]);
    const expired = plan({ outcome: { kind: 'expired', regions: [], expiredAt: '2025-12-31T00:00:00Z' } });
    expect(stateOf(expired)).toEqual([undefined, ['True', 'Expired', 3]]);
    expect(stateOf(plan({ previous: failed }))).toEqual([undefined, undefined]);
  });

  it('returns the previous status when nothing changed, and keeps since and lastUpdated', () => {
    const previous = plan();
    const later = new Date('2026-01-02T00:00:00.000Z');
    expect(plan({ previous: structuredClone(previous), now: later })).toEqual(previous);
    const changed = plan({ previous, observed: { violations: 2 }, now: later });
    expect(changed).toMatchObject({ violations: 2, lastUpdated: later.toISOString() });
    expect(changed.enforcement?.admission.since).toBe(NOW.toISOString());
  });

  it('announces the expiry 14, 7 and 1 days ahead', () => {
    const reasonAt = (now: string): string | undefined =>
      conditionOf(plan({ policy: policy({ expiryDate: '2026-02-01T00:00:00Z' }), now: new Date(now) }), 'Expiring')?.reason;
    expect(['2026-01-10', '2026-01-18', '2026-01-25', '2026-01-31', '2026-02-01'].map((day) => reasonAt(`${day}T00:00:00Z`))).toEqual([
      'NotSoon',
      'Within14Days',
      'Within7Days',
      'Within1Days',
      'Expired',
    ]);
    expect(conditionOf(plan(), 'Expiring')).toBeUndefined();
  });
});

describe('planPolicyEvents', () => {
  const reasons = (previous: SovereignPolicyStatus | undefined, next: SovereignPolicyStatus): string[] =>
    planPolicyEvents(previous, next).map(({ reason }) => reason);

  it('reports each change of state once', () => {
    const active = plan();
    expect(reasons(undefined, active)).toEqual(['Enforced']);
    expect(reasons(active, plan({ previous: active, observed: { violations: 3 } }))).toEqual([]);
    const conflict = plan({ previous: active, outcome: { ...GOVERNING, conflicts: ['finance'] } });
    expect(reasons(active, conflict)).toEqual(['Conflict']);
    expect(reasons(conflict, conflict)).toEqual([]);
    const expired = plan({ previous: active, outcome: { kind: 'expired', regions: [], expiredAt: '2025-12-31T00:00:00Z' } });
    expect(reasons(active, expired)).toEqual(['Expired']);
  });

  it('emits no event where the status in the cluster already has the state', () => {
    const active = plan();
    const [enforced] = planPolicyEvents(undefined, active);
    const alert = { severity: 'alert', reason: 'Enforced', message: '' } as const;
    expect([undefined, active].map((shown) => enforced !== undefined && isShown(shown, undefined, enforced))).toEqual([false, true]);
    expect(isShown(active, undefined, alert)).toBe(false);
    // The end of something bad is news, though the cluster never came to show that.
    const expired = plan({ previous: active, outcome: { kind: 'expired', regions: [], expiredAt: '2025-12-31T00:00:00Z' } });
    expect(enforced !== undefined && isShown(active, expired, enforced)).toBe(false);
  });
});
