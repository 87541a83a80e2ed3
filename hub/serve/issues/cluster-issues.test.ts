import { standingOf } from '@fso/shared/status';
import { describe, expect, it } from 'vitest';
import type { ClusterRecord } from '../../ledger/index.ts';
import { UnlistedPolicies } from '../../ledger/policies/index.ts';
import type { ClusterEntry } from '../fleet/cluster-entry.ts';
import { FleetIndex } from '../fleet/fleet-index.ts';
import { clusterRecord, clusterReport, policyReport } from '../testing/fleet.ts';
import { DESIRED_WITH_TEAM } from '../testing/issue-lister.ts';
import { listClusterIssues } from './cluster-issues.ts';
import { listClusterPolicyIssues } from './policy-issues.ts';

const entryOf = (index: FleetIndex, record: ClusterRecord): ClusterEntry => {
  const entry = index.update({ desired: DESIRED_WITH_TEAM, clusters: [record] }).cluster(record.name);
  if (entry === undefined) throw new Error(`no cluster ${record.name}`);
  return entry;
};

describe('issues of policies in a cluster', () => {
  it('have the team of the policy, the regions of the cluster, and a severity by what the policy does', async () => {
    const index = new FleetIndex();
    const violating = { violations: 1 };
    const record = clusterRecord('eu', [
      policyReport('finance', violating),
      policyReport('hr', { ...violating, enforcementAction: 'warn' }),
    ]);
    expect(listClusterPolicyIssues(entryOf(index, record))).toMatchObject([
      {
        alert: 'Violations',
        severity: 'critical',
        labels: { cluster: 'eu', policy: 'finance', region: 'eu-central-1,eu-west-1', team: 'payments' },
      },
      { alert: 'Violations', severity: 'warning', labels: { cluster: 'eu', policy: 'hr' } },
    ]);
  });
});

describe('issues of a cluster', () => {
  const nowMs = Date.parse('2026-01-02T00:00:00Z');
  const inHours = (hours: number): string => new Date(nowMs + hours * 3_600_000).toISOString();
  const condition = (type: string, status: 'True' | 'False' | 'Unknown') => ({
    type,
    status,
    reason: 'Because',
    message: 'seen',
    lastTransitionTime: inHours(-1),
  });
  const problemsOf = (change: Partial<ReturnType<typeof clusterReport>>): string[] => {
    const cluster = { ...clusterReport(), certificateExpires: inHours(20), ...change };
    const record = { ...clusterRecord('eu', []), report: { ...clusterRecord('eu', []).report, ...cluster } } as ClusterRecord;
    return listClusterIssues(entryOf(new FleetIndex(), record), nowMs).map(({ alert, problem }) => `${alert}: ${problem}`);
  };

  it.each<[string[], Parameters<typeof problemsOf>[0]]>([
    [[], {}],
    [['RevisionNotTrusted: Took a1a1a1a1: unknown signer'], { verification: 'failed', verificationReason: 'unknown signer' }],
    [["ClockSkewed: The clock of its agent is 40 s ahead of the hub's."], { clockSkewMs: 40_000 }],
    [["ClockSkewed: The clock of its agent is 31 s behind the hub's."], { clockSkewMs: -31_000 }],
    [[], { clockSkewMs: 29_999 }],
    [['NodesWithoutRegion: 1 node has no region.'], { nodesByRegion: { '': 1, 'eu-west-1': 2 } }],
    [['NodesDisputed: Nodes in no region: seen'], { conditions: [condition('NodesDisputed', 'True')] }],
    [[], { conditions: [condition('NodesDisputed', 'Unknown')] }],
    [['GatekeeperNotReady: Gatekeeper is Absent.'], { gatekeeper: { state: 'Absent' } }],
    [['LockNotReady: GuardReady is False: seen'], { conditions: [condition('GuardReady', 'False')] }],
    [[], { conditions: [condition('FloorReady', 'Unknown'), condition('Tampered', 'False')] }],
    [['Tampered: Tampered with: seen'], { conditions: [condition('Tampered', 'True')] }],
    [[expect.stringContaining('CertificateExpiring: The certificate of its agent ends at')], { certificateExpires: inHours(2) }],
    [[expect.stringContaining('CertificateExpiring: The certificate of its agent expired at')], { certificateExpires: inHours(-1) }],
  ])('are %j', (problems, change) => {
    expect(problemsOf(change)).toEqual(problems);
  });

  it('name no approver that an agent waits for', () => {
    const held = { revision: 'b2'.repeat(20), tag: 'fso/approve/b2/production', missing: 1, approvers: ['bob@example.org'], problems: [] };
    const acked = { revision: 'c3'.repeat(20), digest: 'd', time: inHours(-1) };
    const seen = clusterRecord('eu', []);
    const report = { ...clusterReport(), certificateExpires: inHours(20), held };
    const record = { ...seen, acked, report: { ...seen.report, ...report } } as ClusterRecord;
    const [issue] = listClusterIssues(entryOf(new FleetIndex(), record), nowMs);
    expect(issue).toMatchObject({ alert: 'ClusterBehind', problem: expect.stringContaining('waits for an approval') });
    expect(issue?.problem).not.toContain('bob');
  });
});

describe('the severity of violations where the hub does not know the list of the cluster', () => {
  it('follows the newest commit, and is not critical for a policy that it lacks', () => {
    const deviations = ['finance', 'gone'].map((name) => [name, standingOf(policyReport(name, { violations: 1 }))] as const);
    const record = { ...clusterRecord('eu', []), policies: new UnlistedPolicies(new Map(deviations)) };
    const entry = entryOf(new FleetIndex(), record);
    const issues = listClusterPolicyIssues(entry).filter(({ alert }) => alert === 'Violations');
    expect(issues).toMatchObject([
      { severity: 'critical', labels: { policy: 'finance' } },
      { severity: 'warning', labels: { policy: 'gone' } },
    ]);
  });
});
