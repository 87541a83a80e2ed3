import type { AuditVerification, PolicyReport } from '@fso/shared/api';
import { FakeClock } from '@fso/shared/fake-clock';
import { encodeBitmap, standingOf } from '@fso/shared/status';
import { describe, expect, it } from 'vitest';
import { baselineOf } from '../../../test/harness/baselines.ts';
import type { Issue } from '../../alerts/index.ts';
import type { ClusterRecord, Ledger } from '../../ledger/index.ts';
import { UnlistedPolicies } from '../../ledger/policies/index.ts';
import { reportLimits } from '../../ledger/report-quota.ts';
import { createMemoryLedger } from '../../ledger/testing/memory-ledger.ts';
import type { ClusterEntry } from '../fleet/cluster-entry.ts';
import { createFleetIndex, type FleetIndex } from '../fleet/fleet-index.ts';
import { FleetReader } from '../fleet/fleet-reader.ts';
import {
  baselineIn,
  clusterRecord,
  clusterReport,
  desiredOf,
  FILES,
  policyReport,
  REVISION,
  report,
  reportChange,
} from '../testing/fleet.ts';
import { listClusterIssues } from './cluster-issues.ts';
import { IssueLister } from './issue-lister.ts';
import { listClusterPolicyIssues } from './policy-issues.ts';

const FILES_OF_TEAMS = FILES.map((file) =>
  file.path === 'policies/finance.yaml'
    ? { ...file, text: file.text.replace('{name: finance}', '{name: finance, labels: {team: payments}}') }
    : file,
);
const desired = desiredOf(REVISION, FILES_OF_TEAMS);

const entryOf = (index: FleetIndex, record: ClusterRecord): ClusterEntry => {
  const entry = index.update({ desired, clusters: [record] }).cluster(record.name);
  if (entry === undefined) throw new Error(`no cluster ${record.name}`);
  return entry;
};

describe('issues of policies in a cluster', () => {
  it('have the team of the policy, the regions of the cluster, and a severity by what the policy does', async () => {
    const index = createFleetIndex();
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
    return listClusterIssues(entryOf(createFleetIndex(), record), nowMs).map(({ alert, problem }) => `${alert}: ${problem}`);
  };

  it.each<[string[], Parameters<typeof problemsOf>[0]]>([
    [[], {}],
    [['RevisionNotTrusted: Took a1a1a1a1: unknown signer'], { verification: 'failed', verificationReason: 'unknown signer' }],
    [["ClockSkewed: The clock of its agent is 40 s ahead of the hub's."], { clockSkewMs: 40_000 }],
    [["ClockSkewed: The clock of its agent is 31 s behind the hub's."], { clockSkewMs: -31_000 }],
    [[], { clockSkewMs: 29_999 }],
    [['NodesWithoutRegion: 1 node has no region.'], { nodesByRegion: { '': 1, 'eu-west-1': 2 } }],
    [['GatekeeperNotReady: Gatekeeper is Absent.'], { gatekeeper: { state: 'Absent' } }],
    [['LockNotReady: GuardReady is False: seen'], { conditions: [condition('GuardReady', 'False')] }],
    [[], { conditions: [condition('FloorReady', 'Unknown'), condition('Tampered', 'False')] }],
    [['Tampered: Tampered with: seen'], { conditions: [condition('Tampered', 'True')] }],
    [[expect.stringContaining('CertificateExpiring: The certificate of its agent ends at')], { certificateExpires: inHours(2) }],
    [[expect.stringContaining('CertificateExpiring: The certificate of its agent expired at')], { certificateExpires: inHours(-1) }],
  ])('are %j', (problems, change) => {
    expect(problemsOf(change)).toEqual(problems);
  });
});

describe('the severity of violations where the hub does not know the list of the cluster', () => {
  it('is that of the newest commit, and of a policy that it does not have not critical', () => {
    const deviations = ['finance', 'gone'].map((name) => [name, standingOf(policyReport(name, { violations: 1 }))] as const);
    const record = { ...clusterRecord('eu', []), policies: new UnlistedPolicies(new Map(deviations)) };
    const entry = entryOf(createFleetIndex(), record);
    const issues = listClusterPolicyIssues(entry).filter(({ alert }) => alert === 'Violations');
    expect(issues).toMatchObject([
      { severity: 'critical', labels: { policy: 'finance' } },
      { severity: 'warning', labels: { policy: 'gone' } },
    ]);
  });
});

const open = (reports = reportLimits()) => {
  const clock = new FakeClock();
  const ledger = createMemoryLedger({ clock, reports });
  const fleet = new FleetReader({ ledger, clock, version: '0' });
  const certificates = [{ what: 'The CA of the agents', expires: new Date(clock.now().getTime() + 86_400_000).toISOString() }];
  const verifyAudit = async () => ({
    ok: false,
    entries: 1,
    head: null,
    checkpoints: 0,
    witnesses: 0,
    problems: [{ sequence: 1, message: 'cut' }],
  });
  return { clock, ledger, lister: new IssueLister({ fleet, hub: { certificates, verifyAudit, health: () => ledger.health() }, clock }) };
};

describe('the lister', () => {
  const names = (issues: Iterable<Issue>): string[] => [...issues].map(({ alert }) => alert);

  it('says nothing of clusters and policies before the repository is known', async () => {
    const { ledger, lister } = open();
    await ledger.setConnected('eu', true);
    expect(Object.keys(await lister.list(() => false))).toEqual(['hub']);
    await ledger.setDesired(desired);
    const { clusters, policies } = await lister.list(() => false);
    expect([names(policies ?? []), names(clusters?.get('us') ?? [])]).toEqual([[], ['ClusterNeverSeen', 'PolicyNotProven']]);
  });

  it('lists what is wrong with the repository, certificates and the audit log', async () => {
    const { ledger, lister, clock } = open();
    const error = { message: 'connection refused', since: clock.now().toISOString() };
    await ledger.setSource({ url: '', ref: '', revision: null, rejected: null, error, lastFetch: null });
    expect(names((await lister.list(() => false)).hub)).toEqual(['SourceUnreachable', 'HubCertificateExpiring']);
    expect(await lister.list(() => false)).not.toHaveProperty('audit');
    await clock.advance(600_000);
    await expect.poll(async () => names((await lister.list(() => false)).audit ?? [])).toEqual(['AuditLogInvalid']);
  });

  it('does not know of a cluster that Git does not know whether it is gone, before agents had time to come', async () => {
    const { ledger, lister, clock } = open();
    await ledger.setDesired(desired);
    await ledger.setConnected('other', true);
    expect(names((await lister.list(() => false)).clusters?.get('other') ?? [])).toContain('ClusterUnregistered');
    await ledger.setConnected('other', false);
    expect((await lister.list(() => false)).unknown).toEqual(new Set(['other']));
    await clock.advance(300_000);
    expect((await lister.list(() => false)).unknown).toEqual(new Set());
  });

  it('lists that a cluster is behind as it was last, where it is away', async () => {
    const { ledger, lister } = open();
    await ledger.setDesired(desired);
    const behind = async () => (await lister.list(() => false)).clusters?.get('eu')?.filter(({ alert }) => alert === 'ClusterBehind');
    await ledger.setConnected('eu', true);
    expect(await behind()).toMatchObject([{ isCurrent: true }]);
    await ledger.setConnected('eu', false);
    expect(await behind()).toMatchObject([{ isCurrent: false }]);
  });

  describe('of a namespace that is missing', () => {
    const condition = {
      type: 'Ready',
      status: 'False',
      reason: 'NamespaceMissing',
      message: 'none',
      lastTransitionTime: '2026-01-01T00:00:00Z',
    } as const;
    const conditions = [condition];
    /** @param missing indexes of the policies in the list of the cluster */
    const say = async (ledger: Ledger, cluster: string, missing: readonly number[], policies: readonly PolicyReport[] = []) => {
      const bitmap = encodeBitmap(8, (at) => missing.includes(at));
      const what = (await ledger.desired()) ?? desired;
      await reportChange(ledger, cluster, {
        full: true,
        baseline: baselineIn(what, cluster, { missing: bitmap }),
        policies: [...policies],
      });
    };
    const of = async (lister: IssueLister) => {
      const { clusters, policies = [] } = await lister.list(() => false);
      const all = [...policies, ...(clusters?.get('eu') ?? []), ...(clusters?.get('us') ?? [])];
      return all.flatMap(({ alert, labels: { policy, cluster = 'all' }, isCurrent }) =>
        policy === undefined ? [] : [[alert, policy, cluster, isCurrent]],
      );
    };
    const started = async (what = desired) => {
      const { ledger, lister } = open();
      await ledger.setDesired(what);
      for (const cluster of what.clusters.keys()) await ledger.setConnected(cluster, true);
      return { ledger, lister };
    };

    it('there is none in a cluster, for a policy of Git as for one that was applied there, however it is said', async () => {
      const { ledger, lister } = await started();
      await say(ledger, 'us', []);
      await say(
        ledger,
        'eu',
        [0],
        [
          policyReport('own', { namespace: 'team-a', phase: 'Failed', managedBy: 'local', conditions }),
          policyReport('own-glob', { namespace: 'team-a', phase: 'Pending', managedBy: 'local', conditions }),
          policyReport('hr', { phase: 'Pending', conditions }),
          policyReport('leaving', { phase: 'Failed', violations: 1 }),
        ],
      );
      // No other cluster is meant to have it.
      expect(await of(lister)).toEqual([
        ['PolicyNotProven', 'hr', 'all', true],
        ['PolicyNotEnforced', 'leaving', 'eu', true],
        ['Violations', 'leaving', 'eu', true],
      ]);
    });

    it('there is one for the policy once each cluster that is meant to have it says so', async () => {
      const { ledger, lister } = await started();
      await say(ledger, 'eu', [0]);
      // What us has is not known yet: it may have the namespace.
      expect(await of(lister)).toEqual([['PolicyNotProven', 'finance', 'us', true]]);
      await say(ledger, 'us', [0]);
      expect(await of(lister)).toEqual([['PolicyNotProven', 'finance', 'all', true]]);
      const [issue] = (await lister.list(() => false)).policies ?? [];
      expect(issue).toMatchObject({
        labels: { policy: 'finance', team: 'payments' },
        problem: 'No cluster has a namespace for it: all that are meant to have it wait for finance.',
      });
      // As they last said; without a cluster that is known it goes on and does not begin.
      await ledger.setConnected('us', false);
      expect(await of(lister)).toEqual([['PolicyNotProven', 'finance', 'all', true]]);
      await ledger.setConnected('eu', false);
      expect(await of(lister)).toEqual([['PolicyNotProven', 'finance', 'all', false]]);
      await ledger.setConnected('eu', true);
      await say(ledger, 'eu', []);
      expect(await of(lister)).toEqual([]);
    });

    describe('of three clusters of which one alone has it', () => {
      const others = FILES_OF_TEAMS.filter(({ path }) => path !== 'policies/hr.yaml');
      const apac = { path: 'clusters/apac.yaml', text: (FILES[1]?.text ?? '').replace('{name: us}', '{name: apac}') };
      const three = desiredOf(REVISION, [...others, apac]);
      const setUp = async () => {
        const { ledger, lister } = await started(three);
        const findings = async () => (await of(lister)).filter(([, , cluster]) => cluster === 'all');
        for (const cluster of ['apac', 'us']) await say(ledger, cluster, [0]);
        await say(ledger, 'eu', []);
        expect(await findings()).toEqual([]);
        return { ledger, findings };
      };

      it('there is none while that one is away', async () => {
        const { ledger, findings } = await setUp();
        await ledger.setConnected('eu', false);
        expect(await findings()).toEqual([]);
        await ledger.setConnected('eu', true);
        await say(ledger, 'eu', [0]);
        expect(await findings()).toEqual([['PolicyNotProven', 'finance', 'all', true]]);
      });

      it('there is none while it has diverged, or its list is not known', async () => {
        const { ledger, findings } = await setUp();
        await reportChange(ledger, 'eu', { total: { count: 1, root: '1'.repeat(64) } });
        expect((await ledger.cluster('eu'))?.divergedSince).not.toBeNull();
        expect(await findings()).toEqual([]);
        await reportChange(ledger, 'eu', { full: true, baseline: baselineOf('1'.repeat(64), { missing: '/w==' }) });
        expect(await findings()).toEqual([]);
      });

      it('there is none while nothing is known of the one, as after the start of a hub with a new ledger', async () => {
        const { ledger, lister } = await started(three);
        for (const cluster of ['apac', 'us']) await say(ledger, cluster, [0]);
        expect((await of(lister)).filter(([, , cluster]) => cluster === 'all')).toEqual([]);
      });

      it('there is one where that one is no longer registered, and away', async () => {
        const { ledger, findings } = await setUp();
        await ledger.setConnected('eu', false);
        const two = [...others, apac].filter(({ path }) => path !== 'clusters/eu.yaml');
        await ledger.setDesired(desiredOf('c3'.repeat(20), two));
        expect(await findings()).toEqual([['PolicyNotProven', 'finance', 'all', true]]);
      });
    });
  });

  it('lists once what a cluster cannot have, and not for each of its policies', async () => {
    const { ledger, lister } = open();
    await ledger.setDesired(desired);
    await ledger.setConnected('eu', true);
    await ledger.setAck('eu', { revision: REVISION, digest: 'd' });
    const profile = { floor: true, gatekeeper: false, injection: true, gatekeeperNamespace: 'gatekeeper-system' };
    const cluster = { ...clusterReport(), gatekeeper: { state: 'Absent' as const } };
    await reportChange(ledger, 'eu', { full: true, baseline: baselineIn(desired, 'eu', { profile }), cluster });
    const lock = (await ledger.cluster('eu'))?.policies.get('finance')?.enforcement.gatekeeper;
    expect(lock).toEqual({ state: 'Unavailable', message: 'Gatekeeper is not installed' });
    const issues = async () => names((await lister.list(() => false)).clusters?.get('eu') ?? []);
    expect(await issues()).toEqual(['GatekeeperNotReady']);
    // One that deviates says all that is wrong with it.
    const enforcement = { ...policyReport('hr').enforcement, gatekeeper: { state: 'Unavailable' as const, message: 'not installed' } };
    await reportChange(ledger, 'eu', { policies: [policyReport('hr', { phase: 'Failed', enforcement })] });
    expect(await issues()).toEqual(['GatekeeperNotReady', 'PolicyNotEnforced', 'PolicyLockDegraded']);
  });

  it('says of a cluster whose list the hub does not know that this is why nothing is known of its policies', async () => {
    const { ledger, lister } = open();
    await ledger.setDesired(desired);
    await ledger.setConnected('us', true);
    const problems = async () =>
      ((await lister.list(() => false)).clusters?.get('us') ?? []).flatMap(({ labels, problem }) =>
        labels.policy === undefined ? [] : [[labels.policy, problem]],
      );
    expect(await problems()).toEqual([['finance', 'Meant for this cluster, which has reported nothing of it yet.']]);
    await reportChange(ledger, 'us', { full: true, baseline: baselineOf('1'.repeat(64)) });
    expect(await problems()).toEqual([['finance', expect.stringContaining('the hub does not know the list of policies')]]);
    await reportChange(ledger, 'us', { full: true, baseline: baselineIn(desired, 'us') });
    expect(await problems()).toEqual([]);
  });

  it('lists that a cluster is not observed, and what it reports as it was last', async () => {
    const { ledger, lister, clock } = open();
    await ledger.setDesired(desired);
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

  it('says of which clusters the hub does not keep all policies', async () => {
    const { ledger, lister } = open({ ...reportLimits(), policies: 2 });
    await ledger.setDesired(desired);
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
    const { ledger, lister } = open();
    await ledger.setDesired(desired);
    await ledger.setConnected('eu', true);
    const failed = Array.from({ length: 50 }, (_, at) => policyReport(`p${at}`, { phase: 'Failed', managedBy: 'local' }));
    await ledger.applyReport('eu', report({ seq: 1, full: true, policies: failed }));
    const of = async () => (await lister.list(() => false)).clusters?.get('eu') ?? [];
    const [first, second] = [await of(), await of()];
    expect(names(first).filter((name) => name === 'PolicyNotEnforced')).toHaveLength(10);
    expect(first.find(({ alert }) => alert === 'MoreAlerts')?.problem).toBe('And 40 more: 40 PolicyNotEnforced.');
    expect(second.at(-1)).toBe(first.at(-1));
  });
});

describe('the groups', () => {
  const grouped = async (lister: IssueLister, cluster?: string) => (await lister.groups(cluster)).items;

  it('have the most severe first, and add up what has one cause and severity', async () => {
    const { ledger, lister } = open();
    await ledger.setDesired(desired);
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
    const { ledger, clock } = open();
    const verification = Promise.withResolvers<AuditVerification>();
    const hub = { certificates: [], verifyAudit: () => verification.promise, health: () => ledger.health() };
    const lister = new IssueLister({ fleet: new FleetReader({ ledger, clock, version: '0' }), hub, clock });
    await ledger.setConnected('eu', true);
    verification.resolve({ ok: true, entries: 1, head: null, checkpoints: 0, witnesses: 0, problems: [] });
    await verification.promise;
    await lister.groups();
    // Who is registered is not known.
    expect(await lister.groups()).toEqual({ items: [], complete: false });
    await ledger.setDesired(desired);
    expect((await lister.groups()).complete).toBe(true);
    const later = new IssueLister({
      fleet: new FleetReader({ ledger, clock, version: '0' }),
      hub: { ...hub, verifyAudit: () => new Promise(() => undefined) },
      clock,
    });
    expect((await later.groups()).complete).toBe(false);
    expect((await later.over(new FleetReader({ ledger, clock, version: '0' })).groups()).complete).toBe(true);
  });

  it('name the first of many, say since when, and leave out what is not known of clusters that are away', async () => {
    const { ledger, lister, clock } = open();
    const since = clock.now().toISOString();
    const clusters = Array.from({ length: 12 }, (_, at) => ({
      path: `clusters/c${at}.yaml`,
      text: (FILES[1]?.text ?? '').replace('{name: us}', `{name: c${at}}`),
    }));
    await ledger.setDesired(desiredOf(REVISION, [...FILES_OF_TEAMS, ...clusters]));
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
    const { ledger, clock } = open();
    const fleet = new FleetReader({ ledger, clock, version: '0' });
    const since = clock.now().toISOString();
    const hub = {
      certificates: [],
      verifyAudit: () => Promise.reject(new Error('away')),
      health: () => ({ ok: false as const, since, message: 'disk full' }),
    };
    const severityOf = (name: string) => (name === 'LedgerUnavailable' ? ('info' as const) : undefined);
    const lister = new IssueLister({ fleet, hub, severityOf, clock });
    expect(await grouped(lister)).toMatchObject([
      { name: 'LedgerUnavailable', severity: 'info', since, issues: [{ problem: 'disk full' }] },
    ]);
    // Who sees a part of the fleet does not see the hub.
    expect(await grouped(lister.over(fleet))).toEqual([]);
  });

  it('say of one cluster what the fleet is counted without', async () => {
    const { ledger, lister } = open();
    await ledger.setDesired(desired);
    await ledger.setConnected('gone', true);
    await ledger.setConnected('gone', false);
    expect((await grouped(lister)).flatMap(({ issues }) => issues.map(({ cluster }) => cluster))).not.toContain('gone');
    expect((await grouped(lister, 'gone')).map(({ name }) => name)).toEqual(['ClusterAway', 'ClusterUnregistered']);
  });

  it('count of a cluster that is gone the policies that are not kept, as those that are take memory', async () => {
    const { ledger, lister } = open({ ...reportLimits(), policies: 2 });
    await ledger.setDesired(desired);
    await ledger.setConnected('gone', true);
    const locals = ['a', 'b', 'c'].map((name) => policyReport(name, { managedBy: 'local', phase: 'Failed' }));
    await ledger.applyReport('gone', report({ seq: 1, full: true, policies: locals }));
    await ledger.setConnected('gone', false);
    const ofGone = (await grouped(lister)).filter(({ issues }) => issues.some(({ cluster }) => cluster === 'gone'));
    expect(ofGone.map(({ name }) => name)).toEqual(['PoliciesNotKept']);
  });
});
