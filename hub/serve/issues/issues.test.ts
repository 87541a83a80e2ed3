import { FakeClock } from '@fso/shared/fake-clock';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Issue } from '../../alerts/index.ts';
import type { ClusterRecord } from '../../ledger/index.ts';
import { reportLimits } from '../../ledger/quota/report-memory.ts';
import { createMemoryLedger } from '../../ledger/testing/memory-ledger.ts';
import type { ClusterEntry } from '../fleet/cluster-entry.ts';
import { createFleetIndex, type FleetIndex } from '../fleet/fleet-index.ts';
import { FleetReader } from '../fleet/fleet-reader.ts';
import { clusterRecord, desiredOf, FILES, policyReport, REVISION, report } from '../testing/fleet.ts';
import { listUnreadIssues } from './hub-issues.ts';
import { IssueLister } from './issue-lister.ts';
import { ClusterPolicyIssues } from './policy-issues.ts';

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

const textsOf = (issues: readonly Issue[]): string[] => issues.map((issue) => JSON.stringify(issue)).toSorted();

describe('issues of policies in a cluster', () => {
  it('are after any changes what they are when all policies are looked at', () => {
    const name = fc.constantFrom('finance', 'hr', 'local-1', 'local-2');
    const change = fc.record({
      name,
      phase: fc.constantFrom('Active' as const, 'Failed' as const, 'Pending' as const, 'Expired' as const),
      violations: fc.integer({ min: 0, max: 2 }),
      isGone: fc.boolean(),
      connected: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(change, { maxLength: 12 }), (changes) => {
        const index = createFleetIndex();
        const kept = new ClusterPolicyIssues();
        const policies = new Map<string, ReturnType<typeof policyReport>>();
        for (const { name: policy, isGone, connected, ...said } of changes) {
          if (isGone) policies.delete(policy);
          else policies.set(policy, policyReport(policy, said));
          const record: ClusterRecord = { ...clusterRecord('eu', [...policies.values()]), connected };
          const entry = entryOf(index, record);
          expect(textsOf(kept.list(entry))).toEqual(textsOf(new ClusterPolicyIssues().list(entry)));
        }
      }),
    );
  });

  it('have the team of the policy, the regions of the cluster, and a severity by what the policy does', async () => {
    const index = createFleetIndex();
    const violating = { violations: 1 };
    const record = clusterRecord('eu', [
      policyReport('finance', violating),
      policyReport('hr', { ...violating, enforcementAction: 'warn' }),
    ]);
    expect(new ClusterPolicyIssues().list(entryOf(index, record))).toMatchObject([
      {
        alert: 'Violations',
        severity: 'critical',
        labels: { cluster: 'eu', policy: 'finance', region: 'eu-central-1,eu-west-1', team: 'payments' },
      },
      { alert: 'Violations', severity: 'warning', labels: { cluster: 'eu', policy: 'hr' } },
    ]);
  });
});

describe('the lister', () => {
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
    return { clock, ledger, lister: new IssueLister({ fleet, certificates, verifyAudit, clock }) };
  };
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

  it('lists a namespace that is missing for policies of the hub only', async () => {
    const { ledger, lister } = open();
    await ledger.setDesired(desired);
    await ledger.setConnected('eu', true);
    const ready = {
      type: 'Ready',
      status: 'False',
      reason: 'NamespaceMissing',
      message: 'none',
      lastTransitionTime: '2026-01-01T00:00:00Z',
    } as const;
    const conditions = [ready];
    const policies = [
      policyReport('own', { phase: 'Failed', managedBy: 'local', conditions }),
      policyReport('own-glob', { phase: 'Pending', managedBy: 'local', conditions }),
      policyReport('finance', { phase: 'Pending', managedBy: 'hub', conditions }),
      policyReport('hr'),
    ];
    await ledger.applyReport('eu', report({ seq: 1, full: true, policies }));
    const listed = (await lister.list(() => false)).clusters?.get('eu') ?? [];
    expect(listed.flatMap(({ alert, labels }) => (labels.policy === undefined ? [] : [`${alert} ${labels.policy}`]))).toEqual([
      'PolicyNotProven finance',
    ]);
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
    const { ledger, lister } = open({ ...reportLimits(), local: 2 });
    await ledger.setDesired(desired);
    await ledger.setConnected('eu', true);
    const locals = ['a', 'b', 'c'].map((name) => policyReport(name, { managedBy: 'local' }));
    await ledger.applyReport('eu', report({ seq: 1, full: true, policies: locals }));
    const issues = (await lister.list(() => false)).clusters?.get('eu') ?? [];
    expect(issues.find(({ alert }) => alert === 'PoliciesNotKept')).toMatchObject({
      severity: 'warning',
      problem: '1 more policy is not kept: the cluster has more than the hub keeps of one.',
    });
    const unread = { notKept: { policies: null, reason: 'memory' as const } };
    const entries = [clusterRecord('old', [], unread), clusterRecord('eu')].map((record) => entryOf(createFleetIndex(), record));
    expect(listUnreadIssues(entries)).toMatchObject([{ alert: 'PoliciesNotKept', problem: expect.stringContaining('starts of: old.') }]);
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
