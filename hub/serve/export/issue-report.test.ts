import { createHash } from 'node:crypto';
import { IssueReport } from '@fso/shared/api';
import { describe, expect, it } from 'vitest';
import type { ClusterRecord } from '../../ledger/index.ts';
import { FleetIndex } from '../fleet/fleet-index.ts';
import { clusterRecord, clusterReport, desiredOf, FILES, OLD_REVISION, policyReport, REVISION, TIME } from '../testing/fleet.ts';
import { formatIssueHtml, ISSUE_HTML_POLICY } from './issue-html.ts';
import { createIssueReport, formatIssueCsv } from './issue-report.ts';

const SOURCE = { url: '', ref: '', revision: null, rejected: null, error: null, lastFetch: null };
const NOW = Date.parse('2026-01-10T00:00:00Z');

const files = FILES.map((file) =>
  file.path === 'policies/hr.yaml'
    ? { ...file, text: file.text.replace('enforcementAction: warn', 'expiryDate: "2026-01-12T00:00:00Z"') }
    : file,
);
const reportOf = (...clusters: ClusterRecord[]): IssueReport =>
  createIssueReport(new FleetIndex().update({ desired: desiredOf(REVISION, files), clusters }), SOURCE, NOW);

const condition = (type: string, status: 'True' | 'False', message: string) => ({
  type,
  status,
  message,
  reason: 'Because',
  lastTransitionTime: TIME,
});
const violation = {
  kind: 'Pod',
  namespace: 'finance',
  name: '=cmd()',
  node: 'n,1',
  region: 'us-east-1',
  reason: '<b>outside</b>',
  since: TIME,
};

describe('the issue report', () => {
  it('names only policies that expire soon where nothing is wrong', () => {
    const report = reportOf(
      clusterRecord('eu', [policyReport('finance'), policyReport('hr')]),
      clusterRecord('us', [policyReport('finance')]),
    );
    expect(report).toEqual({
      generatedAt: '2026-01-10T00:00:00.000Z',
      revision: REVISION,
      hub: [],
      clusters: [],
      policies: [
        {
          policy: 'hr',
          cluster: null,
          alert: 'PolicyExpiring',
          severity: 'warning',
          problem: 'Expires at 2026-01-12T00:00:00Z.',
          since: null,
        },
      ],
      violations: [],
      unnamedViolations: 0,
      omitted: { clusters: 0, policies: 0, violations: 0 },
    });
  });

  it('names what is wrong with clusters, and since when', () => {
    const tampered = {
      ...clusterReport(),
      conditions: [condition('Tampered', 'True', 'a binding was deleted'), condition('FloorReady', 'False', '')],
    };
    const { clusters } = reportOf(
      clusterRecord('eu', [], {
        acked: { revision: OLD_REVISION, digest: 'd' },
        nack: { revision: REVISION, time: TIME, reasons: [{ path: 'p.yaml', message: 'no' }] },
      }),
      clusterRecord('new', [], { report: null, acked: null }),
      clusterRecord('us', [], { connected: false, report: { ...tampered, gatekeeper: { state: 'NotReady', message: 'no endpoints' } } }),
    );
    expect(clusters).toEqual([
      {
        cluster: 'eu',
        alert: 'ClusterBehind',
        severity: 'warning',
        problem: 'Behind: it has b2b2b2b2, in force is a1a1a1a1.',
        since: null,
      },
      { cluster: 'eu', alert: 'CommitRefused', severity: 'critical', problem: 'Refused a1a1a1a1: p.yaml: no', since: TIME },
      { cluster: 'new', alert: 'ClusterUnregistered', severity: 'warning', problem: 'Not registered in Git, or no longer.', since: null },
      {
        cluster: 'us',
        alert: 'ClusterAway',
        severity: 'warning',
        problem: 'Not connected: what is known of it is as old as its last report.',
        since: TIME,
      },
      { cluster: 'us', alert: 'Tampered', severity: 'critical', problem: 'Tampered with: a binding was deleted', since: TIME },
      { cluster: 'us', alert: 'LockNotReady', severity: 'critical', problem: 'FloorReady is False: Because', since: TIME },
      { cluster: 'us', alert: 'GatekeeperNotReady', severity: 'warning', problem: 'Gatekeeper is NotReady: no endpoints', since: null },
    ]);
  });

  it('names policies that fail, are in conflict or have expired', () => {
    const failed = policyReport('finance', { phase: 'Failed', message: 'the floor was refused' });
    const conflict = policyReport('mine', {
      namespace: 'local',
      managedBy: 'local',
      expiryDate: '2026-01-01T00:00:00Z',
      conditions: [condition('Conflict', 'True', 'no region is left')],
    });
    expect(reportOf(clusterRecord('eu', [failed, conflict, policyReport('hr')])).policies).toEqual([
      {
        policy: 'finance',
        cluster: 'eu',
        alert: 'PolicyNotEnforced',
        severity: 'critical',
        problem: 'Failed: the floor was refused',
        since: TIME,
      },
      expect.objectContaining({ policy: 'hr' }),
      {
        policy: 'local/mine',
        cluster: null,
        alert: 'PolicyExpired',
        severity: 'info',
        problem: 'Expired: it no longer governs.',
        since: '2026-01-01T00:00:00Z',
      },
      {
        policy: 'local/mine',
        cluster: 'eu',
        alert: 'PolicyConflict',
        severity: 'warning',
        problem: 'In conflict: no region is left',
        since: TIME,
      },
    ]);
  });

  it('names what connected clusters do not enforce, also where one lock of two holds', () => {
    const since = '2026-01-05T00:00:00.000Z';
    const enforcement = {
      admission: { state: 'Enforced', since: TIME },
      binding: { state: 'Degraded', since, message: 'the probe was let through' },
      gatekeeper: { state: 'Unavailable', since },
    } as const;
    const waits = {
      admission: { state: 'Pending', since },
      binding: { state: 'Pending', since: TIME },
      gatekeeper: { state: 'Enforced', since },
    } as const;
    const clusters = [
      clusterRecord('eu', [policyReport('finance', { enforcement })]),
      clusterRecord('us', [policyReport('finance', { phase: 'Pending', message: 'not proven yet', enforcement: waits })]),
    ];
    const issues = reportOf(...clusters).policies;
    expect(issues).toEqual([
      {
        policy: 'finance',
        cluster: 'eu',
        alert: 'PolicyLockDegraded',
        severity: 'warning',
        problem: 'Lock 1 at the bind gate is Degraded: the probe was let through',
        since,
      },
      { policy: 'finance', cluster: 'eu', alert: 'PolicyLockDegraded', severity: 'warning', problem: 'Lock 2 is Unavailable.', since },
      { policy: 'finance', cluster: 'us', alert: 'PolicyNotProven', severity: 'warning', problem: 'Pending: not proven yet', since: TIME },
      {
        policy: 'hr',
        cluster: null,
        alert: 'PolicyExpiring',
        severity: 'warning',
        problem: 'Expires at 2026-01-12T00:00:00Z.',
        since: null,
      },
      {
        policy: 'hr',
        cluster: 'eu',
        alert: 'PolicyNotProven',
        severity: 'warning',
        problem: 'Meant for this cluster, which has reported nothing of it yet.',
        since: null,
      },
    ]);
    const away = reportOf(...clusters.map((each) => ({ ...each, connected: false })));
    expect(away.policies).toEqual([expect.objectContaining({ policy: 'hr', cluster: null })]);
  });

  it('dates a pending policy without a lock that waits from when it was last ready', () => {
    const state = { state: 'NotApplicable', since: TIME } as const;
    const since = '2026-01-05T00:00:00.000Z';
    const missing = policyReport('finance', {
      phase: 'Pending',
      message: 'namespace finance does not exist',
      enforcement: { admission: state, binding: state, gatekeeper: state },
      conditions: [{ ...condition('Ready', 'False', 'namespace finance does not exist'), lastTransitionTime: since }],
    });
    expect(reportOf(clusterRecord('eu', [missing])).policies).toContainEqual({
      policy: 'finance',
      cluster: 'eu',
      alert: 'PolicyNotProven',
      severity: 'warning',
      problem: 'Pending: namespace finance does not exist',
      since,
    });
  });

  it('names a registered cluster that was never seen', () => {
    const { clusters } = reportOf(clusterRecord('us', [], { connected: false, lastSeen: null, report: null, acked: null }));
    expect(clusters).toEqual([{ cluster: 'us', alert: 'ClusterNeverSeen', severity: 'info', problem: 'Never connected.', since: null }]);
  });

  it('lists a bounded number of a kind, and counts the others', () => {
    const many = Array.from({ length: 10_050 }, (_, n) => ({ ...clusterRecord(`c${n}`, []), report: null }));
    const report = reportOf(...many);
    expect([report.clusters.length, report.omitted.clusters]).toEqual([10_000, 50]);
    expect(formatIssueCsv(report)).toContain('clusters,,,,,,,,,50 more are not listed.,');
    expect(formatIssueHtml(report)).toContain('Clusters (10050)</h2><p>50 of them are not listed.</p>');
  });

  it('lists violations, and counts those that do not fit', () => {
    const report = reportOf(clusterRecord('us', [policyReport('finance', { violations: 7, violationSamples: [violation] })]));
    expect(report.violations).toEqual([{ ...violation, cluster: 'us', policy: 'finance', enforcementAction: 'deny' }]);
    expect(report.unnamedViolations).toBe(6);
    expect(IssueReport.parse(report)).toEqual(report);
  });
});

describe('its forms', () => {
  const report = reportOf(
    clusterRecord('us', [policyReport('finance', { violations: 7, violationSamples: [violation] })], { connected: false }),
  );

  it('include a table without formulas', () => {
    expect(formatIssueCsv(report).split('\r\n')).toEqual([
      'issue,cluster,policy,namespace,kind,name,node,region,action,problem,since,alert,severity',
      `cluster,us,,,,,,,,Not connected: what is known of it is as old as its last report.,${TIME},ClusterAway,warning`,
      'policy,,hr,,,,,,,Expires at 2026-01-12T00:00:00Z.,,PolicyExpiring,warning',
      `violation,us,finance,finance,Pod,'=cmd(),"n,1",us-east-1,deny,<b>outside</b>,${TIME},,`,
      'violation,,,,,,,,,"6 more are counted, but not named by the agents.",,,',
      '',
    ]);
  });

  it('include a page that allows only its own style', () => {
    const html = formatIssueHtml(report);
    expect(html).toContain('&lt;b&gt;outside&lt;/b&gt;');
    expect(html).not.toMatch(/<b>|<script|src=|href=|style=/);
    const style = /<style>(.*)<\/style>/s.exec(html)?.[1] ?? '';
    const hash = createHash('sha256').update(style).digest('base64');
    expect(ISSUE_HTML_POLICY).toContain(`style-src 'sha256-${hash}'`);
    expect(html).toContain('<h2 id="violations">Violations (1)</h2>');
    expect(html).toContain('6 more are counted');
    expect(formatIssueHtml({ ...report, violations: [], unnamedViolations: 0 })).toContain('<p>None.</p>');
  });
});
