import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { policyReport } from '../../test/harness/policy-reports.ts';
import { LOCK_STATES, type LockState, Phase, PolicyReport, type ReportedCondition } from '../api/index.ts';
import {
  Deviation,
  deviatingReport,
  deviationFrom,
  deviationsIn,
  groupDeviations,
  internDeviation,
  isUneventful,
  isUnjudged,
  standingOf,
  unjudged,
} from './deviation.ts';
import { describeDeviation, describeReason } from './deviation-texts.ts';
import { expectedReport, NO_GATEKEEPER } from './expected.ts';

const TIME = '2026-01-01T00:00:00Z';
const PROFILE = { floor: true, gatekeeper: true, injection: true, gatekeeperNamespace: 'gatekeeper-system' };
const LISTED = {
  name: 'a',
  digest: 'd',
  since: '1'.repeat(40),
  targetNamespace: 'a',
  enforcementAction: 'deny' as const,
  effectiveRegions: ['eu-west-1'],
  locks: { admission: true, gatekeeper: true, binding: true },
};
const EXPECTED = expectedReport(LISTED, PROFILE, { isExpired: false, namespaces: ['a'] });
const condition = (type: string, status: ReportedCondition['status'], reason = 'Reason'): ReportedCondition => ({
  type,
  status,
  reason,
  message: 'said by the agent',
  lastTransitionTime: TIME,
});
const lock = (state: LockState) => ({ state, since: TIME, message: 'said by the agent' });
const CONDITIONS_OF_ACTIVE = [
  condition('Ready', 'True', 'Enforced'),
  condition('FloorReady', 'True', 'Enforced'),
  condition('GatekeeperReady', 'Unknown', 'NotApplicable'),
  condition('Conflict', 'False', 'NoConflict'),
  condition('AuditAgrees', 'True', 'SameCount'),
];
/** Report of a policy in force, as its agent makes it. */
const active = policyReport('a', {
  message: 'deny: pods of a may run in eu-west-1',
  namespaces: ['a'],
  namespaceLabels: [{ namespace: 'a', labels: { x: 'y' } }],
  conditions: CONDITIONS_OF_ACTIVE,
});
const UNKNOWN = [condition('AuditAgrees', 'Unknown', 'NotObserved'), condition('PlacementInjection', 'Unknown', 'NotObserved')];
const deviationOf = (change: Partial<PolicyReport>) => deviationFrom(EXPECTED, { ...active, ...change });

const anyCount = fc.integer({ min: 1, max: 2_147_483_647 });
const anyDeviation = fc.record({
  phase: fc.constantFrom(...Phase.options),
  reason: fc.stringMatching(/^[A-Za-z]{1,32}$/),
  locks: fc.record({
    admission: fc.constantFrom(...LOCK_STATES),
    gatekeeper: fc.constantFrom(...LOCK_STATES),
    binding: fc.constantFrom(...LOCK_STATES),
  }),
  violations: fc.nat(2_147_483_647),
  risks: fc.option(fc.record({ refused: anyCount, pending: anyCount, untried: anyCount }), { nil: undefined }),
  conditions: fc.subarray([...Deviation.shape.conditions.element.options]),
});

describe('a deviation', () => {
  it('has at most 360 bytes, with any content', () => {
    const largest = {
      phase: 'Pending',
      reason: 'x'.repeat(32),
      locks: { admission: 'NotApplicable', gatekeeper: 'NotApplicable', binding: 'NotApplicable' },
      violations: 2_147_483_647,
      risks: { refused: 2_147_483_647, pending: 2_147_483_647, untried: 2_147_483_647 },
      conditions: [...Deviation.shape.conditions.element.options],
    };
    expect(Buffer.byteLength(JSON.stringify(Deviation.parse(largest)))).toBeLessThanOrEqual(360);
    fc.assert(fc.property(anyDeviation, (each) => Buffer.byteLength(JSON.stringify(Deviation.parse(each))) <= 360));
    for (const wrong of [{ reason: 'x'.repeat(33) }, { message: 'a text' }, { violations: 1e12 }, { conditions: ['Ready'] }])
      expect(Deviation.safeParse({ ...largest, ...wrong }).success).toBe(false);
  });

  it.each<[string, Partial<PolicyReport>, string]>([
    ['is not in force', { phase: 'Pending', conditions: [condition('Ready', 'False', 'Proving')] }, 'Proving'],
    ['is Pending, and nothing says why', { phase: 'Pending', conditions: [] }, 'Pending'],
    ['failed', { phase: 'Failed', conditions: [condition('Ready', 'False', 'NoLock')] }, 'NoLock'],
    ['is violated', { violations: 1 }, 'Enforced'],
    ['is not proven by a lock', { enforcement: { ...active.enforcement, gatekeeper: lock('Pending') } }, 'NotApplicable'],
    [
      'is not enforced by a lock that the cluster has',
      { enforcement: { ...active.enforcement, binding: lock('Unavailable') } },
      'Enforced',
    ],
    ['is in conflict', { conditions: [...CONDITIONS_OF_ACTIVE.slice(0, 3), condition('Conflict', 'True')] }, 'Enforced'],
    ['was tampered with', { conditions: [...CONDITIONS_OF_ACTIVE, condition('Tampered', 'True')] }, 'Enforced'],
    ['is counted otherwise by Gatekeeper', { conditions: [condition('AuditAgrees', 'False')] }, 'Enforced'],
    ['does not get its pods placed', { conditions: [condition('PlacementInjection', 'False', 'Failed')] }, 'Enforced'],
    ['asks for another action than the list', { enforcementAction: 'warn' }, 'OtherContent'],
    ['governs other namespaces', { namespaces: ['a', 'b'] }, 'OtherNamespaces'],
    ['has a reason that is no code', { phase: 'Failed', conditions: [condition('Ready', 'False', 'a b')] }, 'Other'],
  ])('describes a policy that %s', (_what, change, reason) => {
    expect(deviationOf(change)).toMatchObject({ reason });
  });

  it.each<[string, Partial<PolicyReport>]>([
    ['is proven', {}],
    ['expires soon, which the hub knows', { conditions: [...CONDITIONS_OF_ACTIVE, condition('Expiring', 'True', 'Within7Days')] }],
    ['is not injected as the cluster cannot', { conditions: [condition('PlacementInjection', 'False', 'Unavailable')] }],
    ['was tampered with once', { conditions: [condition('Tampered', 'False', 'NotLately')] }],
    ['has conditions of which the agent does not know whether they hold', { conditions: UNKNOWN }],
    ['has a condition that nobody knows', { conditions: [condition('toString', 'True')] }],
  ])('is absent for a policy that %s', (_what, change) => {
    expect(deviationOf(change)).toBeUndefined();
  });

  it('is absent for a policy that has expired, whose namespace is missing, or whose cluster lacks a lock, as expected', () => {
    const none = { admission: lock('NotApplicable'), gatekeeper: lock('NotApplicable'), binding: lock('NotApplicable') };
    const ended = expectedReport(LISTED, PROFILE, { isExpired: true, namespaces: [] });
    const expired = { phase: 'Expired' as const, enforcement: none, namespaces: [], conditions: [condition('Ready', 'False', 'Expired')] };
    expect(deviationFrom(ended, { ...active, ...expired })).toBeUndefined();
    const waiting = expectedReport(LISTED, PROFILE, { isExpired: false, namespaces: [] });
    const missing = { ...expired, phase: 'Pending' as const, conditions: [condition('Ready', 'False', 'NamespaceMissing')] };
    expect(deviationFrom(waiting, { ...active, ...missing })).toBeUndefined();
    const unlisted = { ...missing, enforcement: { ...none, admission: lock('Pending') } };
    expect(deviationFrom(waiting, { ...active, ...unlisted })).toMatchObject({ reason: 'NamespaceMissing' });
    const without = expectedReport(LISTED, { ...PROFILE, gatekeeper: false }, { isExpired: false, namespaces: ['a'] });
    const enforcement = { ...active.enforcement, gatekeeper: lock('Unavailable') };
    expect(deviationFrom(without, { ...active, enforcement })).toBeUndefined();
    expect(deviationFrom(without, active)).toBeDefined();
  });

  it.each<[string, Partial<PolicyReport>]>([
    ['conforms', {}],
    ['has violations', { violations: 2 }],
    ['has expired', { phase: 'Expired' }],
  ])('is at best Pending for other content, also where the policy %s', (_what, change) => {
    const deviation = deviationOf({ ...change, effectiveRegions: ['us-east-1'] });
    expect(deviation).toMatchObject({ phase: 'Pending', reason: 'OtherContent', violations: change.violations ?? 0 });
    expect(Object.values(deviation?.locks ?? {})).not.toContain('Enforced');
    expect(deviation && isUnjudged(deviatingReport(EXPECTED, deviation))).toBe(true);
    expect(deviationOf({ phase: 'Failed', effectiveRegions: [], conditions: [] })).toMatchObject({ phase: 'Failed', reason: 'Failed' });
  });

  it('is at best Pending for content that was not accepted, with the conditions that alert people', () => {
    const conditions = [condition('Tampered', 'True'), condition('AuditAgrees', 'False')];
    expect(unjudged(standingOf({ ...active, violations: 2, conditions }), 'Differs')).toEqual({
      phase: 'Pending',
      reason: 'Differs',
      locks: { admission: 'Pending', gatekeeper: 'Pending', binding: 'Pending' },
      violations: 2,
      conditions: ['Tampered'],
    });
    expect(unjudged(standingOf({ ...active, phase: 'Failed' }), 'Differs').phase).toBe('Failed');
    expect(unjudged(undefined, 'Absent')).toMatchObject({ phase: 'Pending', reason: 'Absent', violations: 0 });
  });

  it('is one object for equal deviations, and is restored from its groups', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.stringMatching(/^[a-z]{1,6}$/), anyDeviation, { noNullPrototype: true }), (drawn) => {
        const named = new Map(Object.entries(drawn).map(([name, each]) => [name, internDeviation(each)]));
        const groups = groupDeviations(named);
        expect(groups.length).toBe(new Set(named.values()).size);
        const read = new Map(deviationsIn(JSON.parse(JSON.stringify(groups))));
        expect(read.size).toBe(named.size);
        for (const [name, each] of named) expect(read.get(name)).toBe(each);
      }),
    );
  });
});

describe('a report made from a deviation', () => {
  it('is valid, has the state of the deviation, and is the same object for an equal one', () => {
    fc.assert(
      fc.property(anyDeviation, (each) => {
        const deviation = internDeviation(each);
        const report = deviatingReport(EXPECTED, deviation);
        expect(PolicyReport.parse(report)).toEqual(report);
        const { phase, locks, violations, risks, conditions } = standingOf(report);
        expect({ phase, locks, violations, risks, conditions }).toEqual({ ...deviation, reason: undefined });
        expect(deviatingReport(EXPECTED, internDeviation({ ...each }))).toBe(report);
        expect(report).toMatchObject({ name: 'a', revision: LISTED.since, effectiveRegions: ['eu-west-1'], enforcementAction: 'deny' });
      }),
    );
  });

  it('has the text of a code, and the code itself where a later agent sent it', () => {
    const deviation = standingOf({ ...active, violations: 2, conditions: [condition('Conflict', 'True')] });
    expect(describeDeviation(deviation)).toBe(
      '2 workloads are outside of the allowed regions; together with other policies no region is left: nothing may run there',
    );
    const absent = deviatingReport(EXPECTED, unjudged(undefined, 'Absent'));
    expect([absent.message, absent.namespaces]).toEqual(['not in the cluster, and cannot be written yet', []]);
    expect(describeReason('OfLater')).toBe('OfLater');
  });

  it('is that of an uneventful policy without a deviation', () => {
    expect([isUneventful(active), isUneventful({ ...active, violations: 1 }), isUneventful({ ...active, phase: 'Pending' })]).toEqual([
      true,
      false,
      false,
    ]);
    const without = (message: string) => {
      const enforcement = { ...active.enforcement, gatekeeper: { ...lock('Unavailable'), message } };
      return isUneventful({ ...active, enforcement });
    };
    expect([without(NO_GATEKEEPER), without('Gatekeeper does not answer')]).toEqual([true, false]);
  });
});
