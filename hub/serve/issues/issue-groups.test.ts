import type { AuditVerification } from '@fso/shared/api';
import { describe, expect, it } from 'vitest';
import { reportLimits } from '../../ledger/report-quota.ts';
import { FleetReader } from '../fleet/fleet-reader.ts';
import { clusterReport, desiredOf, FILES, policyReport, REVISION, report } from '../testing/fleet.ts';
import { DESIRED_WITH_TEAM, FILES_WITH_TEAM, noRollout, openLister } from '../testing/issue-lister.ts';
import { IssueLister } from './issue-lister.ts';

describe('the groups', () => {
  const grouped = async (lister: IssueLister, cluster?: string) => (await lister.groups(cluster)).items;

  it('list the most severe first, and add up issues of one cause and severity', async () => {
    const { ledger, lister } = openLister();
    await ledger.setDesired(DESIRED_WITH_TEAM);
    const violating = { violations: 3, phase: 'Failed' as const };
    const reports = [policyReport('finance', violating), policyReport('hr', { violations: 2, enforcementAction: 'warn' })];
    for (const cluster of ['eu', 'us']) {
      await ledger.setConnected(cluster, true);
      await ledger.setAck(cluster, { revision: REVISION, digest: 'd' });
      const nodesByRegion = { '': 2, 'eu-west-1': 1 };
      await ledger.applyReport(
        cluster,
        report({ cluster: { ...clusterReport(), nodesByRegion }, policies: cluster === 'eu' ? reports : [] }),
      );
    }
    await ledger.setNack('us', { revision: REVISION, reasons: [{ path: 'policies/a.yaml', line: 3, message: 'unknown field' }] });
    await expect.poll(async () => (await lister.groups()).complete).toBe(true);
    const found = (await grouped(lister)).map(({ severity, summary, count, clusters, policies, path }) =>
      [severity, summary, count, clusters, policies, path].join(' | '),
    );
    expect(found).toEqual([
      'critical | The audit log contradicts its hashes or checkpoints | 1 | 0 | 0 | /audit/verification',
      'critical | A certificate of the hub ends soon | 1 | 0 | 0 | /',
      'critical | Commit refused, the previous one kept: cluster us | 1 | 1 | 0 | /clusters/us',
      'critical | Not enforced: policy finance in cluster eu | 1 | 1 | 1 | /clusters/eu',
      'critical | Violations of policies that deny (3): policy finance in cluster eu | 1 | 1 | 1 | /compliance?policy=finance&cluster=eu',
      'warning | Not proven: policy finance in cluster us | 1 | 1 | 1 | /clusters/us',
      'warning | Violations (2): policy hr in cluster eu | 1 | 1 | 1 | /compliance?policy=hr&cluster=eu',
      'info | Nodes without a region (4): 2 clusters | 2 | 2 | 0 | /clusters',
    ]);
    const refusal = (await grouped(lister)).find(({ name }) => name === 'CommitRefused');
    expect(refusal).toMatchObject({
      name: 'CommitRefused',
      remedy: expect.stringContaining('Read the reasons'),
      issues: [{ cluster: 'us', policy: null, problem: expect.stringContaining('policies/a.yaml:3: unknown field'), current: true }],
    });
    expect((await grouped(lister, 'us')).map(({ name }) => name)).toEqual(['CommitRefused', 'PolicyNotProven', 'NodesWithoutRegion']);
    expect(await grouped(lister, 'nowhere')).toEqual([]);
  });

  it('are complete once the repository is read and the audit log is verified', async () => {
    const { ledger, clock } = openLister();
    const verification = Promise.withResolvers<AuditVerification>();
    const hub = { certificates: [], verifyAudit: () => verification.promise, health: () => ledger.health(), rollout: noRollout };
    const lister = new IssueLister({ fleet: new FleetReader({ ledger, clock, version: '0' }), hub, clock });
    await ledger.setConnected('eu', true);
    verification.resolve({ ok: true, entries: 1, head: null, checkpoints: 0, witnesses: 0, problems: [] });
    await verification.promise;
    await lister.groups();
    // Who is registered is not known.
    expect(await lister.groups()).toEqual({ items: [], complete: false });
    await ledger.setDesired(DESIRED_WITH_TEAM);
    expect((await lister.groups()).complete).toBe(true);
    const later = new IssueLister({
      fleet: new FleetReader({ ledger, clock, version: '0' }),
      hub: { ...hub, verifyAudit: () => new Promise(() => undefined) },
      clock,
    });
    expect((await later.groups()).complete).toBe(false);
    expect((await later.over(new FleetReader({ ledger, clock, version: '0' })).groups()).complete).toBe(true);
  });

  it('name the first of many, with a start, and omit what is unknown of clusters that are away', async () => {
    const { ledger, lister, clock } = openLister();
    const since = clock.now().toISOString();
    const clusters = Array.from({ length: 12 }, (_, at) => ({
      path: `clusters/c${at}.yaml`,
      text: (FILES[1]?.text ?? '').replace('{name: us}', `{name: c${at}}`),
    }));
    await ledger.setDesired(desiredOf(REVISION, [...FILES_WITH_TEAM, ...clusters]));
    for (let at = 0; at < 12; at += 1) {
      await ledger.setConnected(`c${at}`, true);
      await ledger.applyReport(`c${at}`, report({ cluster: clusterReport(), policies: [policyReport('finance', { phase: 'Pending' })] }));
      await ledger.setConnected(`c${at}`, false);
      await clock.advance(1_000);
    }
    const groups = await grouped(lister);
    expect(groups.find(({ name }) => name === 'PolicyNotProven')).toBeUndefined();
    const away = groups.find(({ name }) => name === 'ClusterAway');
    expect(away).toMatchObject({
      count: 12,
      clusters: 12,
      since,
      summary: 'Not connected: 12 clusters',
      path: '/clusters?connection=Disconnected&sort=seen',
    });
    expect(away?.issues.map(({ cluster }) => cluster)).toHaveLength(10);
  });

  it('have the severities of the alerts file, and what is wrong with the ledger', async () => {
    const { ledger, clock } = openLister();
    const fleet = new FleetReader({ ledger, clock, version: '0' });
    const since = clock.now().toISOString();
    const hub = {
      certificates: [],
      verifyAudit: () => Promise.reject(new Error('away')),
      health: () => ({ ok: false as const, since, message: 'disk full' }),
      rollout: noRollout,
    };
    const severityOf = (name: string) => (name === 'LedgerUnavailable' ? ('info' as const) : undefined);
    const lister = new IssueLister({ fleet, hub, severityOf, clock });
    expect(await grouped(lister)).toMatchObject([
      { name: 'LedgerUnavailable', severity: 'info', since, issues: [{ problem: 'disk full' }] },
    ]);
    // Who sees a part of the fleet does not see the hub.
    expect(await grouped(lister.over(fleet))).toEqual([]);
  });

  it("include for one cluster what the fleet's count leaves out", async () => {
    const { ledger, lister } = openLister();
    await ledger.setDesired(DESIRED_WITH_TEAM);
    await ledger.setConnected('gone', true);
    await ledger.setConnected('gone', false);
    expect((await grouped(lister)).flatMap(({ issues }) => issues.map(({ cluster }) => cluster))).not.toContain('gone');
    expect((await grouped(lister, 'gone')).map(({ name }) => name)).toEqual(['ClusterAway', 'ClusterUnregistered']);
  });

  it('count policies that are not kept of a cluster that is gone', async () => {
    const { ledger, lister } = openLister({ ...reportLimits(), policies: 2 });
    await ledger.setDesired(DESIRED_WITH_TEAM);
    await ledger.setConnected('gone', true);
    const locals = ['a', 'b', 'c'].map((name) => policyReport(name, { managedBy: 'local', phase: 'Failed' }));
    await ledger.applyReport('gone', report({ seq: 1, full: true, policies: locals }));
    await ledger.setConnected('gone', false);
    const ofGone = (await grouped(lister)).filter(({ issues }) => issues.some(({ cluster }) => cluster === 'gone'));
    expect(ofGone.map(({ name }) => name)).toEqual(['PoliciesNotKept']);
  });
});
