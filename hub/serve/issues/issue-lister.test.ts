import { describe, expect, it } from 'vitest';
import { baselineOf } from '../../../test/harness/baselines.ts';
import { reportLimits } from '../../ledger/report-quota.ts';
import { FleetReader } from '../fleet/fleet-reader.ts';
import { baselineIn, clusterReport, policyReport, REVISION, report, reportChange } from '../testing/fleet.ts';
import { alertNames, DESIRED_WITH_TEAM, openLister } from '../testing/issue-lister.ts';
import { IssueLister } from './issue-lister.ts';

describe('the lister', () => {
  it('lists the failed gate of a rollout, with what to do', async () => {
    const { ledger, clock } = openLister();
    const since = clock.now().toISOString();
    const halted = {
      wave: 'canary',
      gate: 'NewViolations',
      clusters: ['eu'],
      problem: '3 new violations',
      since,
      next: 'revert',
      approval: null,
    };
    const hub = {
      certificates: [],
      verifyAudit: () => new Promise<never>(() => undefined),
      health: () => ledger.health(),
      rollout: () => ({ halted, revision: REVISION }),
    };
    const lister = new IssueLister({ fleet: new FleetReader({ ledger, clock, version: '0' }), hub, clock });
    expect((await lister.list(() => false)).hub).toMatchObject([
      { alert: 'RolloutHalted', problem: 'Wave canary: 3 new violations (eu). Next: revert', since, revision: REVISION },
    ]);
  });

  it('lists no clusters and policies before the repository is known', async () => {
    const { ledger, lister } = openLister();
    await ledger.setConnected('eu', true);
    expect(Object.keys(await lister.list(() => false))).toEqual(['hub']);
    await ledger.setDesired(DESIRED_WITH_TEAM);
    const { clusters, policies } = await lister.list(() => false);
    expect([alertNames(policies ?? []), alertNames(clusters?.get('us') ?? [])]).toEqual([[], ['ClusterNeverSeen', 'PolicyNotProven']]);
  });

  it('lists what is wrong with the repository, certificates and the audit log', async () => {
    const { ledger, lister, clock } = openLister();
    const error = { message: 'connection refused', since: clock.now().toISOString() };
    await ledger.setSource({ url: '', ref: '', revision: null, rejected: null, error, lastFetch: null });
    expect(alertNames((await lister.list(() => false)).hub)).toEqual(['SourceUnreachable', 'HubCertificateExpiring']);
    expect(await lister.list(() => false)).not.toHaveProperty('audit');
    await clock.advance(600_000);
    await expect.poll(async () => alertNames((await lister.list(() => false)).audit ?? [])).toEqual(['AuditLogInvalid']);
  });

  it('waits for agents after a start before it reports an unregistered cluster as gone', async () => {
    const { ledger, lister, clock } = openLister();
    await ledger.setDesired(DESIRED_WITH_TEAM);
    await ledger.setConnected('other', true);
    expect(alertNames((await lister.list(() => false)).clusters?.get('other') ?? [])).toContain('ClusterUnregistered');
    await ledger.setConnected('other', false);
    expect((await lister.list(() => false)).unknown).toEqual(new Set(['other']));
    await clock.advance(300_000);
    expect((await lister.list(() => false)).unknown).toEqual(new Set());
  });

  it('lists that a cluster is behind by its last report, where it is away', async () => {
    const { ledger, lister } = openLister();
    await ledger.setDesired(DESIRED_WITH_TEAM);
    const behind = async () => (await lister.list(() => false)).clusters?.get('eu')?.filter(({ alert }) => alert === 'ClusterBehind');
    await ledger.setConnected('eu', true);
    expect(await behind()).toMatchObject([{ isCurrent: true }]);
    await ledger.setConnected('eu', false);
    expect(await behind()).toMatchObject([{ isCurrent: false }]);
  });

  it('lists once what a cluster lacks, and not for each of its policies', async () => {
    const { ledger, lister } = openLister();
    await ledger.setDesired(DESIRED_WITH_TEAM);
    await ledger.setConnected('eu', true);
    await ledger.setAck('eu', { revision: REVISION, digest: 'd' });
    const profile = { floor: true, gatekeeper: false, injection: true, gatekeeperNamespace: 'gatekeeper-system' };
    const cluster = { ...clusterReport(), gatekeeper: { state: 'Absent' as const } };
    await reportChange(ledger, 'eu', { full: true, baseline: baselineIn(DESIRED_WITH_TEAM, 'eu', { profile }), cluster });
    const lock = (await ledger.cluster('eu'))?.policies.get('finance')?.enforcement.gatekeeper;
    expect(lock).toEqual({ state: 'Unavailable', message: 'Gatekeeper is not installed' });
    const issues = async () => alertNames((await lister.list(() => false)).clusters?.get('eu') ?? []);
    expect(await issues()).toEqual(['GatekeeperNotReady']);
    // One that deviates says all that is wrong with it.
    const enforcement = { ...policyReport('hr').enforcement, gatekeeper: { state: 'Unavailable' as const, message: 'not installed' } };
    await reportChange(ledger, 'eu', { policies: [policyReport('hr', { phase: 'Failed', enforcement })] });
    expect(await issues()).toEqual(['GatekeeperNotReady', 'PolicyNotEnforced', 'PolicyLockDegraded']);
  });

  it('explains unknown policies of a cluster by its unknown list', async () => {
    const { ledger, lister } = openLister();
    await ledger.setDesired(DESIRED_WITH_TEAM);
    await ledger.setConnected('us', true);
    const problems = async () =>
      ((await lister.list(() => false)).clusters?.get('us') ?? []).flatMap(({ labels, problem }) =>
        labels.policy === undefined ? [] : [[labels.policy, problem]],
      );
    expect(await problems()).toEqual([['finance', 'Meant for this cluster, which has reported nothing of it yet.']]);
    await reportChange(ledger, 'us', { full: true, baseline: baselineOf('1'.repeat(64)) });
    expect(await problems()).toEqual([['finance', expect.stringContaining('the hub does not know the list of policies')]]);
    await reportChange(ledger, 'us', { full: true, baseline: baselineIn(DESIRED_WITH_TEAM, 'us') });
    expect(await problems()).toEqual([]);
  });

  it('lists that a cluster is not observed, with its last report', async () => {
    const { ledger, lister, clock } = openLister();
    await ledger.setDesired(DESIRED_WITH_TEAM);
    const stream = { id: 'a', isOpen: () => true };
    await ledger.openStream('eu', stream);
    await ledger.applyReport('eu', report({ seq: 1, full: true, policies: [policyReport('finance', { phase: 'Failed' })] }));
    const list = async () => {
      const { clusters, notObserved } = await lister.list(() => false);
      const issues = clusters?.get('eu') ?? [];
      const find = (name: string) => issues.find(({ alert }) => alert === name);
      return { issue: find('ClusterNotObserved'), isCurrent: find('PolicyNotEnforced')?.isCurrent, notObserved };
    };
    expect(await list()).toEqual({ issue: undefined, isCurrent: true, notObserved: new Set() });
    await ledger.noteObserved('eu', ['Pod', 'status'], stream);
    expect(await list()).toMatchObject({
      issue: { problem: expect.stringContaining('Pod, status'), since: clock.now().toISOString(), isCurrent: true },
      isCurrent: false,
      notObserved: new Set(['eu']),
    });
    // A pause of the hub is no issue of the cluster.
    await ledger.noteObserved('eu', [], stream);
    ledger.suspendObservation(['eu']);
    expect(await list()).toEqual({ issue: undefined, isCurrent: false, notObserved: new Set(['eu']) });
  });

  it('does not know whether denials rise where they are not counted for long enough', async () => {
    const { ledger, lister } = openLister();
    await ledger.setDesired(DESIRED_WITH_TEAM);
    await ledger.setConnected('eu', true);
    const of = async (minutes: number) => {
      const denials = { minutes, pods: 0, recent: 0, bindings: 0, owners: 0, named: 0, denials: [] };
      await reportChange(ledger, 'eu', { full: true, cluster: { ...clusterReport(), denials } });
      return (await lister.list(() => false)).denialsUnknown;
    };
    // Another leader has begun to count.
    for (const minutes of [0, 15]) expect(await of(minutes)).toEqual(new Set(['eu']));
    for (const minutes of [20, 60]) expect(await of(minutes)).toEqual(new Set());
  });

  it('lists clusters of which the hub does not keep all policies', async () => {
    const { ledger, lister } = openLister({ ...reportLimits(), policies: 2 });
    await ledger.setDesired(DESIRED_WITH_TEAM);
    await ledger.setConnected('eu', true);
    const locals = ['a', 'b', 'c'].map((name) => policyReport(name, { managedBy: 'local' }));
    await ledger.applyReport('eu', report({ seq: 1, full: true, policies: locals }));
    const issues = (await lister.list(() => false)).clusters?.get('eu') ?? [];
    expect(issues.find(({ alert }) => alert === 'PoliciesNotKept')).toMatchObject({
      severity: 'warning',
      problem: '1 more policy is not kept: the cluster has more than the hub keeps of one.',
    });
  });

  it('keeps the issues of a cluster that did not change, bounded', async () => {
    const { ledger, lister } = openLister();
    await ledger.setDesired(DESIRED_WITH_TEAM);
    await ledger.setConnected('eu', true);
    const failed = Array.from({ length: 50 }, (_, at) => policyReport(`p${at}`, { phase: 'Failed', managedBy: 'local' }));
    await ledger.applyReport('eu', report({ seq: 1, full: true, policies: failed }));
    const of = async () => (await lister.list(() => false)).clusters?.get('eu') ?? [];
    const [first, second] = [await of(), await of()];
    expect(alertNames(first).filter((name) => name === 'PolicyNotEnforced')).toHaveLength(10);
    expect(first.find(({ alert }) => alert === 'MoreAlerts')?.problem).toBe('And 40 more: 40 PolicyNotEnforced.');
    expect(second.at(-1)).toBe(first.at(-1));
  });
});
