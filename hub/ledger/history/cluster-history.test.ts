import { type PolicyReport, policyKey } from '@fso/shared/api';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { policyReport } from '../../../test/harness/policy-reports.ts';
import { type ClusterChange, neverSeenCluster } from '../changes.ts';
import { keysBetween } from '../policies/index.ts';
import { clusterReport, report } from '../testing/ledger.ts';
import { timeOf } from '../testing/reported-fleet.ts';
import type { ClusterRecord, HistoryChange, PolicyStateAt } from '../types.ts';
import { historyBetween } from './cluster-history.ts';
import { compactHistory } from './compact-history.ts';
import { findPolicyState } from './policy-past.ts';

const [A, B] = ['a', 'b'].map((letter) => letter.repeat(40)) as [string, string];
const KEYS = ['hr', 'finance', 'health'];

const reportOf = (name: string, { revision, phase, violations, short }: Variant): PolicyReport => {
  const { lastUpdated: _time, ...rest } = policyReport(name, { revision, phase, violations });
  return short ? rest : policyReport(name, { revision, phase, violations });
};
interface Variant {
  readonly revision: string;
  readonly phase: PolicyReport['phase'];
  readonly violations: number;
  readonly short: boolean;
}
const variant = fc.constantFrom<Variant>(
  { revision: A, phase: 'Active', violations: 0, short: true },
  { revision: B, phase: 'Active', violations: 0, short: true },
  { revision: B, phase: 'Active', violations: 2, short: false },
  { revision: B, phase: 'Active', violations: 5, short: false },
  { revision: A, phase: 'Failed', violations: 0, short: false },
);
const record = fc.record({
  connected: fc.boolean(),
  observed: fc.boolean(),
  accepted: fc.constantFrom(null, A, B),
  proven: fc.constantFrom(null, A, B),
  policies: fc.dictionary(fc.constantFrom(...KEYS), variant, { noNullPrototype: true }),
  forgotten: fc.nat(9).map((n) => n === 0),
});
type Drawn = typeof record extends fc.Arbitrary<infer T> ? T : never;

const NOTHING: Drawn = { connected: false, observed: true, accepted: null, proven: null, policies: {}, forgotten: false };

const recordOf = ({ connected, observed, accepted, proven, policies, forgotten }: Drawn): ClusterRecord => {
  if (forgotten) return neverSeenCluster('eu');
  const report = clusterReport({ revision: accepted, provenRevision: proven });
  return {
    ...neverSeenCluster('eu'),
    connected,
    notObserved: connected && !observed ? { since: timeOf(0), what: ['Pod'] } : null,
    acked: accepted === null ? null : { revision: accepted, digest: null },
    report,
    policies: new Map(Object.entries(policies).map(([name, how]) => [policyKey(policyReport(name)), reportOf(name, how)])),
  };
};

/** Returns the ledger changes that lead from one record to the next. */
const changesOf = (before: ClusterRecord, after: ClusterRecord, { forgotten }: Drawn, time: string): readonly ClusterChange[] => {
  const base = { cluster: 'eu', time };
  if (forgotten) return [{ ...base, type: 'forget' }];
  const reported: ClusterChange = { ...base, type: 'report', report: report(1) };
  if (before.connected !== after.connected)
    return [after.connected ? { ...base, type: 'confirmed' } : { ...base, type: 'connected', connected: false }, reported];
  return [{ ...base, type: 'observed', outOfDate: after.notObserved?.what ?? [] }, reported];
};

/** The history of records that came one a second; an agent is seen until its stream ends. */
const historyOfAll = (records: readonly Drawn[]): HistoryChange[] => {
  let before = neverSeenCluster('eu');
  return records.flatMap((drawn, at) => {
    const after = { ...recordOf(drawn), lastSeen: { at: new Date(Date.parse(timeOf(at + 1)) - 1).toISOString() } };
    const keys = keysBetween(before.policies, after.policies);
    const added = changesOf(before, after, drawn, timeOf(at)).flatMap((change) => historyBetween(change, { before, after, keys }) ?? []);
    before = after;
    return added;
  });
};

async function* newestFirst(changes: readonly HistoryChange[]): AsyncGenerator<HistoryChange> {
  yield* changes.toReversed();
}
const find = (changes: readonly HistoryChange[], policy: string, at: string): Promise<PolicyStateAt> =>
  findPolicyState(newestFirst(changes), { policy, at, listOf: async () => undefined });

/**
 * Returns the answer that the history should give for a record; nothing is known of a forgotten
 * one.
 */
const valuesOf = ({ forgotten, connected, observed, accepted, proven, policies }: Drawn, policy: string) => {
  const how = policies[policy];
  if (forgotten) return [false, false, null, null, null];
  const state = how && { phase: how.phase, conforms: how.short, violates: how.violations > 0, revision: how.revision };
  return [connected, connected && observed, accepted, proven, state ?? null];
};

/** The same of a cluster of which nothing was ever known. */
const answerOf = ({ connected, observed, accepted, proven, policy }: PolicyStateAt) => [
  connected?.value ?? false,
  connected?.value === true && observed?.value === true,
  ...[accepted, proven, policy].map((fact) => fact?.value ?? null),
];

/** Removes a policy that is gone from an answer, as that fact is not kept forever. */
const withoutGone = ({ policy, ...rest }: PolicyStateAt): PolicyStateAt =>
  policy == null || policy.value === null ? rest : { ...rest, policy };

const histories = fc.array(record, { minLength: 1, maxLength: 12 });

describe('the history of a cluster', () => {
  it('returns the record at any time', async () => {
    await fc.assert(
      fc.asyncProperty(histories, fc.constantFrom(...KEYS), async (records, policy) => {
        const changes = historyOfAll(records);
        for (const [at, drawn] of records.entries())
          expect(answerOf(await find(changes, policy, timeOf(at)))).toEqual(valuesOf(drawn, policy));
      }),
    );
  });

  it('ends the same when it is folded, and never contains a false state', async () => {
    await fc.assert(
      fc.asyncProperty(
        histories,
        fc.nat(12),
        fc.constantFrom(0, 1_000),
        fc.constantFrom(...KEYS),
        async (records, cut, maxClosed, policy) => {
          const changes = historyOfAll(records);
          const compact = [...compactHistory(changes.slice(0, cut), maxClosed), ...changes.slice(cut)];
          const whole = changes[cut]?.time ?? timeOf(records.length);
          for (let at = 0; at <= records.length; at += 1) {
            const [full, short] = await Promise.all([find(changes, policy, timeOf(at)), find(compact, policy, timeOf(at))]);
            expect(full).toMatchObject(short);
            if (timeOf(at) >= whole) expect(withoutGone(short)).toEqual(withoutGone(full));
          }
        },
      ),
    );
  });

  it('lasts from the first state of a stream to its last sign of life, also where another stream replaces it', () => {
    const away = { ...neverSeenCluster('eu'), lastSeen: { at: timeOf(1) } };
    const there = { ...away, connected: true, lastSeen: { at: timeOf(5) } };
    const said = (change: Pick<Extract<ClusterChange, { type: 'connected' }>, 'connected' | 'opens'>, before: ClusterRecord) =>
      historyBetween(
        { ...change, type: 'connected', cluster: 'eu', time: timeOf(9) },
        { before, after: { ...before, connected: change.connected }, keys: [] },
      );
    const confirmed = (record: ClusterRecord) =>
      historyBetween({ type: 'confirmed', cluster: 'eu', time: timeOf(9) }, { before: record, after: record, keys: [] });
    expect(said({ connected: true, opens: true }, away)).toBeUndefined();
    expect(confirmed(there)).toEqual({ time: timeOf(9), connected: true });
    expect(said({ connected: true, opens: true }, there)).toEqual({ time: timeOf(5), connected: false });
    expect(said({ connected: false }, there)).toEqual({ time: timeOf(5), connected: false });
    // Its stream had ended before that was written.
    expect(confirmed(away)).toBeUndefined();
    // A sign of life where the hub took it for lost.
    expect(said({ connected: true }, away)).toEqual({ time: timeOf(9), connected: true });
    expect(said({ connected: true }, there)).toBeUndefined();
  });

  it('has one change where its agent loses sight of the cluster, and one where it recovers', () => {
    const known = { ...neverSeenCluster('eu'), connected: true };
    const lost = { ...known, notObserved: { since: timeOf(1), what: ['Pod'] } };
    const worse = { ...known, notObserved: { since: timeOf(1), what: ['Node', 'Pod'] } };
    const said = (before: ClusterRecord, after: ClusterRecord) =>
      historyBetween(
        { type: 'observed', outOfDate: after.notObserved?.what ?? [], cluster: 'eu', time: timeOf(9) },
        { before, after, keys: [] },
      );
    expect([said(known, lost), said(lost, worse), said(worse, known), said(known, known)]).toEqual([
      { time: timeOf(9), observed: false },
      undefined,
      { time: timeOf(9), observed: true },
      undefined,
    ]);
  });

  it('omits changes of numbers and times', () => {
    const was = recordOf({ ...NOTHING, connected: true, accepted: A, proven: A });
    const withReport = (violations: number): ClusterRecord => ({
      ...was,
      policies: new Map([['hr', reportOf('hr', { revision: A, phase: 'Active', violations, short: false })]]),
    });
    const change = changesOf(was, was, NOTHING, timeOf(1)).at(-1) as ClusterChange;
    expect(historyBetween(change, { before: withReport(2), after: withReport(3), keys: ['hr'] })).toBeUndefined();
    expect(historyBetween(change, { before: withReport(2), after: withReport(0), keys: ['hr'] })?.policies).toEqual([
      { phase: 'Active', conforms: true, violates: false, revision: A, keys: ['hr'] },
    ]);
  });

  it('counts a cluster as not observed while one of its reports is missing', () => {
    const known = { ...neverSeenCluster('eu'), connected: true };
    const diverged = { ...known, divergedSince: timeOf(1) };
    const said = (type: 'report' | 'confirmed', before: ClusterRecord, after: ClusterRecord) =>
      historyBetween({ type, cluster: 'eu', time: timeOf(9), report: report(1) } as ClusterChange, { before, after, keys: [] });
    expect([said('report', known, diverged), said('report', diverged, diverged), said('report', diverged, known)]).toEqual([
      { time: timeOf(9), observed: false },
      undefined,
      { time: timeOf(9), observed: true },
    ]);
    expect(said('confirmed', diverged, diverged)).toEqual({ time: timeOf(9), connected: true, observed: false });
    // Also where it comes back without a new stream.
    const back = (record: ClusterRecord) =>
      historyBetween(
        { type: 'connected', connected: true, cluster: 'eu', time: timeOf(9) },
        { before: { ...record, connected: false }, after: record, keys: [] },
      );
    expect([back(known), back(diverged)]).toEqual([
      { time: timeOf(9), connected: true },
      { time: timeOf(9), connected: true, observed: false },
    ]);
  });
});
