import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { digestOfReports } from '../../test/harness/baselines.ts';
import { policyReport } from '../../test/harness/policy-reports.ts';
import { AgentClusterReport, ClusterEvent, PolicyReport } from '../api/index.ts';
import { changedFacts, factsAfter, judgeClusterReport, judgeEvent, judgePolicyReport } from './reports.ts';

const TIME = '2026-01-01T00:00:00Z';
const report: PolicyReport = policyReport('p', {
  namespace: 'team-a',
  managedBy: 'local',
  targetNamespace: 'team-a',
  namespaces: ['team-a'],
});
const event: ClusterEvent = { time: TIME, severity: 'alert', reason: 'Expired', message: 'expired', policy: 'team-a/p' };

describe('an entry of a report', () => {
  it('is accepted unchanged when its schema admits it', () => {
    expect(judgePolicyReport(report)).toEqual({ entry: report });
    expect(judgeEvent(event)).toEqual({ entry: event });
  });

  it('keeps the valid part: a policy as Failed, an event without the field', () => {
    const judged = judgePolicyReport({ ...report, expiryDate: '2030-01-01T00:00:00+99:99' });
    expect(judged.entry).toEqual({ ...report, phase: 'Failed', message: expect.stringContaining('expiryDate') });
    expect(judgeEvent({ ...event, revision: '' })).toEqual({ entry: event, problem: expect.stringContaining('revision') });
    expect(judgeEvent({ ...event, reason: 7 })).toEqual({ entry: undefined, problem: expect.stringContaining('reason') });
    expect(judgePolicyReport({ ...report, name: '../x' }).entry).toBeUndefined();
  });

  it('is dropped alone where a record or message of a cluster is too large', () => {
    const cluster: AgentClusterReport = { ...judgeClusterReport({}).entry, agentVersion: '1.0.0' };
    const regions = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, at) => [`r${at}`, 1]));
    const large = { ...cluster, nodesByRegion: regions(1_000) };
    expect(judgeClusterReport(large)).toEqual({ entry: large });
    const judged = judgeClusterReport({ ...cluster, nodesByRegion: regions(1_001) });
    expect(judged).toEqual({ entry: cluster, problem: expect.stringContaining('nodesByRegion') });
    const condition = { type: 'A', status: 'True', lastTransitionTime: TIME, reason: 'A', message: 'x'.repeat(4_097) };
    expect(judgeClusterReport({ ...cluster, conditions: [condition] }).entry).toEqual(cluster);
  });

  it('names at most 64 labels of a namespace', () => {
    const labels = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, at) => [`compliance.gov/l${at}`, '']));
    const withLabels = (count: number) => ({ ...report, namespaceLabels: [{ namespace: 'team-a', labels: labels(count) }] });
    expect(judgePolicyReport(withLabels(64))).toEqual({ entry: withLabels(64) });
    expect(judgePolicyReport(withLabels(65)).entry?.namespaceLabels).toBeUndefined();
  });

  it('is valid afterwards for any input', () => {
    const spoiled = fc.dictionary(
      fc.constantFrom(...Object.keys({ ...PolicyReport.shape, ...ClusterEvent.shape, ...AgentClusterReport.shape })),
      fc.anything(),
    );
    fc.assert(
      fc.property(fc.oneof(spoiled, fc.anything()), (change) => {
        const changed = (base: object): unknown => (typeof change === 'object' && change !== null ? { ...base, ...change } : change);
        for (const [judged, schema] of [
          [judgePolicyReport(changed(report)), PolicyReport],
          [judgeEvent(changed(event)), ClusterEvent],
          [judgeClusterReport(changed({})), AgentClusterReport],
        ] as const)
          if (judged.entry !== undefined) expect(schema.parse(judged.entry)).toEqual(judged.entry);
      }),
    );
  });
});

describe('what a cluster reports of itself', () => {
  const clusters = fc.record({
    revision: fc.constantFrom('a', 'b'),
    signer: fc.option(fc.constantFrom('alice', 'bob'), { nil: undefined }),
    agentVersion: fc.constantFrom('1', '2'),
    clockSkewMs: fc.option(fc.nat(1), { nil: undefined }),
  });
  const reportOf = (facts: object): AgentClusterReport => JSON.parse(JSON.stringify({ ...judgeClusterReport({}).entry, ...facts }));

  it('is the same at the hub after any change, also over the wire', () => {
    fc.assert(
      fc.property(fc.array(clusters, { minLength: 1 }), (all) => {
        let sent: AgentClusterReport | undefined;
        let known: AgentClusterReport | null = null;
        for (const now of all.map(reportOf)) {
          known = factsAfter(known, JSON.parse(JSON.stringify(changedFacts(sent, now))));
          sent = now;
          expect(known).toEqual(now);
        }
      }),
    );
  });

  it('is sent without the part that a commit leaves unchanged', () => {
    const before = reportOf({ revision: 'a', signer: 'alice' });
    const now = reportOf({ revision: 'b' });
    expect(changedFacts(before, now)).toEqual({ revision: { revision: 'b', provenRevision: null, verification: 'unverified' } });
    expect(changedFacts(before, before)).toEqual({});
    expect(changedFacts(before, { ...now, agentVersion: '2' })).toEqual({ cluster: { ...now, agentVersion: '2' } });
  });

  it('stays unknown while only a commit of it is reported', () => {
    expect(factsAfter(null, { revision: { revision: 'b', provenRevision: null, verification: 'unverified' } })).toBeNull();
  });
});

const reports = fc
  .uniqueArray(fc.tuple(fc.stringMatching(/^[a-z]{1,6}$/), fc.nat(9)), { selector: ([name]) => name })
  .map((all) => all.map(([name, violations]) => policyReport(name, { violations })));

describe('digest of reports', () => {
  it('does not depend on the order of reports or fields, nor on the way over the wire', () => {
    fc.assert(
      fc.property(reports, fc.infiniteStream(fc.nat()), (all, keys) => {
        const shuffled = all.map((each) => ({ each, at: keys.next().value ?? 0 })).sort((left, right) => left.at - right.at);
        const received = shuffled.map(({ each }) => {
          const turned = Object.fromEntries(Object.entries(each).reverse());
          return PolicyReport.parse(JSON.parse(JSON.stringify(turned)));
        });
        expect(digestOfReports(received)).toBe(digestOfReports(all));
      }),
    );
  });

  it('changes with every report', () => {
    fc.assert(
      fc.property(reports, (all) => {
        const [first, ...rest] = all;
        fc.pre(first !== undefined);
        if (first === undefined) return;
        const digest = digestOfReports(all);
        expect(digestOfReports(rest)).not.toBe(digest);
        expect(digestOfReports([{ ...first, violations: first.violations + 1 }, ...rest])).not.toBe(digest);
      }),
    );
  });
});
