import type { PolicyReport } from '@fso/shared/api';
import { type Baseline, encodeBitmap } from '@fso/shared/status';
import { describe, expect, it } from 'vitest';
import { baselineOf } from '../../../test/harness/baselines.ts';
import { policyReport } from '../../../test/harness/policy-reports.ts';
import { type ClusterChange, neverSeenCluster } from '../changes.ts';
import { ClusterPolicies, keysBetween, listOf, PolicyList, PolicyLists } from '../policies/index.ts';
import { clusterReport, compiledFor, report } from '../testing/ledger.ts';
import { timeOf } from '../testing/reported-fleet.ts';
import type { ClusterRecord } from '../types.ts';
import { fullChange, historyBetween } from './cluster-history.ts';

const [A, B] = ['a', 'b'].map((letter) => letter.repeat(40)) as [string, string];
const unproven = clusterReport();

describe('a baseline in the history', () => {
  const { intern } = new PolicyLists();
  const compiled = ['finance', 'health', 'hr', 'over'].map((name) => compiledFor(name));
  const list = listOf({ digest: 'd'.repeat(64), policies: compiled, revision: A, intern }, undefined);
  const baseline = baselineOf(list.digest, { asOf: timeOf(0) });
  const { namespaces: _namespaces, ...said } = baseline;
  const failed = (name: string): PolicyReport => policyReport(name, { phase: 'Failed', revision: A });
  const named = (...names: string[]) => new Map(names.map((name) => [name, failed(name)]));
  const state = { phase: 'Failed' as const, conforms: false, violates: false, revision: A };
  const withPolicies = (policies: ClusterRecord['policies']): ClusterRecord => ({
    ...neverSeenCluster('eu'),
    connected: true,
    baseline: policies instanceof ClusterPolicies ? policies.baseline : null,
    policies,
  });
  const over = (deviations: ReadonlyMap<string, PolicyReport>, change: Partial<Baseline> = {}, of = list): ClusterRecord =>
    withPolicies(new ClusterPolicies(of, { ...baseline, ...change }, deviations));
  const between = (before: ClusterRecord, after: ClusterRecord, full = false, type: 'report' | 'relist' = 'report') => {
    const change = { type, cluster: 'eu', time: timeOf(9), report: report(1, { full }) } as ClusterChange;
    const found = historyBetween(change, { before, after, keys: keysBetween(before.policies, after.policies) });
    const { time, ...rest } = found ?? {};
    return rest;
  };

  it('stands for a first report with its deviations, and names no conforming policy', () => {
    expect(between(neverSeenCluster('eu'), over(named('hr')), true)).toEqual({
      baseline: said,
      policies: [{ ...state, keys: ['hr'] }],
      named: [],
    });
    const many = Array.from({ length: 1_000 }, (_, n) => compiledFor(`policy-${n}`));
    const large = listOf({ digest: 'e'.repeat(64), policies: many, revision: A, intern }, undefined);
    const all = encodeBitmap(1_000, (bit) => bit % 2 === 0);
    const first = between(neverSeenCluster('eu'), over(new Map(), { list: large.digest, missing: all }, large), true);
    expect(JSON.stringify(first).length).toBeLessThan(600);
  });

  it('changes with the state of policies, as after an expiry, and not with its time or names of namespaces', () => {
    const before = over(named('hr'), { asOf: '2025-01-01T00:00:00.000Z' });
    const later = (change: Partial<Baseline>) => between(before, over(named('hr'), { asOf: '2025-06-01T00:00:00.000Z', ...change }));
    expect(later({ namespaces: ['finance'] })).toEqual({});
    expect(later({ missing: 'AQ==' })).toMatchObject({ baseline: { missing: 'AQ==' } });
    expect(later({ profile: { ...baseline.profile, gatekeeper: false } })).toMatchObject({ baseline: { profile: { gatekeeper: false } } });
    expect(later({ asOf: timeOf(0) })).toEqual({ baseline: said, named: ['hr'] });
  });

  it('lists what came and went by name beside it, and all named policies where that is smaller', () => {
    const local = { ...policyReport('x', { namespace: 'team-a', managedBy: 'local' }) };
    const before = over(new Map([...named('finance', 'hr'), ['team-a/x', local]]));
    expect(between(before, over(named('health', 'hr')))).toEqual({
      policies: [{ ...state, keys: ['health'] }],
      closed: ['finance'],
      gone: ['team-a/x'],
    });
    expect(between(before, over(named('health', 'hr')), true)).toMatchObject({ gone: ['team-a/x'], named: ['hr'] });
    const many = Array.from({ length: 60 }, (_, n) => `many-${n}`);
    const moved = between(over(named('hr', ...many)), over(named(...many), { missing: 'AQ==' }));
    expect(moved).toEqual({ baseline: { ...said, missing: 'AQ==' }, closed: ['hr'] });
  });

  it('ends where the list is unknown or the agent has none, and returns with the list', () => {
    const unlisted = { ...withPolicies(named('hr')), baseline };
    expect(between(over(named('finance', 'hr')), unlisted)).toEqual({ baseline: null, named: ['hr'] });
    expect(between(unlisted, { ...unlisted, policies: new Map() })).toEqual({ closed: ['hr'] });
    expect(between(unlisted, over(named('hr')), false, 'relist')).toEqual({ baseline: said, named: ['hr'] });
    expect(between(withPolicies(named('hr')), withPolicies(new Map()))).toEqual({ gone: ['hr'] });
  });

  it('is absent for a list that an agent has named, which is not stored, known to this hub or not', () => {
    const bits = new Map(list.policies.map(({ name }, bit) => [name, bit]));
    for (const policies of [[], list.policies]) {
      const foreign = new PolicyList(list.digest, policies, { size: list.policies.length, bits });
      expect(between(over(named('hr'), {}, foreign), over(new Map(), { asOf: timeOf(5) }, foreign))).toEqual({ closed: ['hr'] });
      expect(between(over(named('hr'), {}, foreign), over(named('hr')), false, 'relist')).toEqual({ baseline: said, named: ['hr'] });
      const other = over(named('hr'), {}, listOf({ digest: 'e'.repeat(64), policies: compiled, revision: A, intern }, undefined));
      expect(between(other, over(named('hr'), {}, foreign))).toEqual({ baseline: null, named: ['hr'] });
      expect(fullChange(over(named('hr'), {}, foreign), timeOf(0))).toMatchObject({ baseline: null });
    }
  });

  it('ends where an unknown list follows another, which another hub may have known', () => {
    const unlisted = (change: Partial<Baseline>) => ({ ...withPolicies(named('hr')), baseline: { ...baseline, ...change } });
    const before = unlisted({ list: '1'.repeat(64) });
    const gone = { baseline: null, named: ['hr'] };
    expect(between(before, unlisted({ list: '2'.repeat(64) }))).toEqual(gone);
    expect(between(before, unlisted({ list: '1'.repeat(64), missing: 'AQ==' }))).toEqual(gone);
    expect(between(before, withPolicies(named('hr')))).toEqual(gone);
    expect(between(withPolicies(named('hr')), before)).toEqual(gone);
    expect(between(before, unlisted({ list: '1'.repeat(64), namespaces: ['finance'] }))).toEqual({});
    // A policy may have expired by then.
    expect(between(before, unlisted({ list: '1'.repeat(64), asOf: timeOf(5) }))).toEqual(gone);
  });

  it('ends where a new agent connects, at the last sign of life of the previous one', () => {
    const before: ClusterRecord = {
      ...over(named('hr')),
      lastSeen: { at: timeOf(5) },
      acked: { revision: A, digest: null },
      report: { ...unproven, revision: A, provenRevision: A },
    };
    const after: ClusterRecord = { ...before, baseline: null, policies: named('hr'), acked: null, report: unproven };
    const change: ClusterChange = { type: 'connected', cluster: 'eu', time: timeOf(9), connected: true, opens: true, isNew: true };
    const keys = keysBetween(before.policies, after.policies);
    const nothing = { baseline: null, named: ['hr'], accepted: null, proven: null };
    expect(historyBetween(change, { before, after, keys })).toEqual({ time: timeOf(5), connected: false, ...nothing });
    const unseenBefore = { ...over(new Map()), lastSeen: { at: timeOf(5) } };
    expect(
      historyBetween(change, { before: unseenBefore, after: { ...unseenBefore, baseline: null, policies: new Map() }, keys: [] }),
    ).toEqual({ time: timeOf(5), connected: false, baseline: null, named: [] });
  });

  it('begins with all that is known, without conforming policies', () => {
    expect(fullChange({ ...over(named('hr')), acked: { revision: B, digest: null } }, timeOf(0))).toEqual({
      time: timeOf(0),
      connected: true,
      accepted: B,
      proven: null,
      baseline: said,
      policies: [{ ...state, keys: ['hr'] }],
      named: [],
    });
    expect(fullChange(neverSeenCluster('eu'), timeOf(0))).toMatchObject({ baseline: null, named: [] });
  });
});
