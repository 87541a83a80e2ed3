import { policyKey } from '@fso/shared/api';
import { describe, expect, it } from 'vitest';
import type { ClusterRecord } from '../../ledger/index.ts';
import { createIssueReport } from '../export/issue-report.ts';
import { clusterRecord, clusterReport, desiredOf, FILES, OLD_REVISION, policyReport, REVISION, TIME } from '../testing/fleet.ts';
import { viewOf } from './cluster-entry.ts';
import { FleetIndex, type FleetInput } from './fleet-index.ts';
import { statusView } from './fleet-reader.ts';

const desired = desiredOf();
const fleetOf = (knowledge: FleetInput) => new FleetIndex().update(knowledge);
const policyViews = (knowledge: FleetInput) =>
  fleetOf(knowledge)
    .policies()
    .map((policy) => policy.view());
const clusterViews = (knowledge: FleetInput) => fleetOf(knowledge).clusters().map(viewOf);
const source = { url: 'http://git', ref: 'main', revision: null, rejected: null, error: null, lastFetch: null };

const eu = clusterRecord('eu', [policyReport('finance'), policyReport('hr')]);
const us = clusterRecord('us', [policyReport('finance')]);
const notObserved = { since: TIME, what: ['Pod'] };
const phaseOf = (clusters: readonly ClusterRecord[], name = 'finance') =>
  policyViews({ desired, clusters }).find((policy) => policy.name === name)?.phase;

describe('phase of a policy', () => {
  it('is the worst of its clusters', () => {
    expect(phaseOf([eu, us])).toBe('Active');
    expect(phaseOf([eu, clusterRecord('us', [policyReport('finance', { phase: 'Pending' })])])).toBe('Pending');
    expect(phaseOf([eu, clusterRecord('us', [policyReport('finance', { phase: 'Failed' })])])).toBe('Failed');
    expect(phaseOf([eu, clusterRecord('us', [policyReport('finance', { phase: 'Expired' })])])).toBe('Active');
  });

  it('never counts a cluster that is not connected or not observed as compliant', () => {
    expect(phaseOf([eu, { ...us, connected: false }])).toBe('Pending');
    expect(phaseOf([eu, clusterRecord('us', [policyReport('finance', { phase: 'Expired' })], { connected: false })])).toBe('Pending');
    expect(phaseOf([eu, clusterRecord('us', [policyReport('finance', { phase: 'Failed' })], { connected: false })])).toBe('Failed');
    expect(phaseOf([eu, { ...us, notObserved }])).toBe('Pending');
    expect(phaseOf([eu, clusterRecord('us', [policyReport('finance', { phase: 'Failed' })], { notObserved })])).toBe('Failed');
    // Not placed on us, so us does not matter.
    expect(phaseOf([eu, { ...us, connected: false }], 'hr')).toBe('Active');
  });

  it('is Pending where nothing is reported yet, and where no cluster is selected', () => {
    expect(phaseOf([eu, clusterRecord('us', [])])).toBe('Pending');
    expect(policyViews({ desired, clusters: [] }).map(({ phase }) => phase)).toEqual(['Pending', 'Pending']);
  });
});

const OLD_FILE = {
  path: 'clusters/old.yaml',
  text: 'apiVersion: compliance.federated.io/v1\nkind: ManagedCluster\nmetadata: {name: old}\nspec: {regions: [us-east-1]}\n',
};

describe('a retired cluster', () => {
  const violation = { kind: 'Pod', namespace: 'finance', name: 'api-1', region: 'us-east-1', reason: 'outside', since: TIME };
  const failed = policyReport('finance', { phase: 'Failed', violations: 7, violationSamples: [violation] });
  const old = clusterRecord('old', [failed, policyReport('local', { managedBy: 'local' })], { connected: false });
  const clusters = [eu, us, old];

  it('contributes nothing to policies, phases, violations, status and the issue report', () => {
    expect(policyViews({ desired, clusters })).toEqual(policyViews({ desired, clusters: [eu, us] }));
    expect(phaseOf(clusters)).toBe('Active');
    const [fleet, without] = [fleetOf({ desired, clusters }), fleetOf({ desired, clusters: [eu, us] })];
    expect(fleet.violations()).toEqual([]);
    const at = { version: '1', now: 0 };
    expect(statusView(fleet, source, at)).toEqual(statusView(without, source, at));
    expect(createIssueReport(fleet, source, 0)).toEqual(createIssueReport(without, source, 0));
    expect(fleet.members().map(({ record }) => record.name)).toEqual(['eu', 'us']);
  });

  it('stays listed with its last report', () => {
    const view = clusterViews({ desired, clusters }).find(({ name }) => name === 'old');
    expect(view).toMatchObject({ connection: 'Disconnected', regions: [], violations: 0, policies: { total: 0 } });
    expect(view?.report).toEqual(old.report);
  });

  it('counts again once it is connected or registered, and while the repository is unknown', () => {
    const index = new FleetIndex();
    expect(index.update({ desired, clusters }).violations()).toHaveLength(0);
    expect(index.update({ desired, clusters: [eu, us, { ...old, connected: true }] }).violations()).toHaveLength(1);
    expect(index.update({ desired, clusters }).violations()).toHaveLength(0);
    expect(index.update({ desired: desiredOf(REVISION, [...FILES, OLD_FILE]), clusters }).violations()).toHaveLength(1);
    expect(index.update({ desired, clusters }).violations()).toHaveLength(0);
    expect(fleetOf({ desired: null, clusters }).violations()).toHaveLength(1);
  });
});

describe('policy views', () => {
  it('shows the policy in Git, with groups expanded beside it', () => {
    const [finance] = policyViews({ desired, clusters: [eu, us] });
    expect(finance).toMatchObject({
      namespace: 'federated-sovereignty-system',
      name: 'finance',
      managedBy: 'hub',
      allowedRegions: ['group:eu'],
      effectiveRegions: ['eu-central-1', 'eu-west-1'],
      source: { path: 'policies/finance.yaml', line: 1 },
    });
    expect(finance?.clusters.map(({ cluster }) => cluster)).toEqual(['eu', 'us']);
  });

  it('includes local policies and hub-managed ones on their way out', () => {
    const local = policyReport('mine', { namespace: 'default', managedBy: 'local' });
    const leaving = policyReport('old');
    const views = policyViews({ desired, clusters: [clusterRecord('eu', [local, leaving])] });
    expect(views.map((view) => [policyKey(view), view.managedBy, view.source?.path])).toEqual([
      ['default/mine', 'local', undefined],
      ['finance', 'hub', 'policies/finance.yaml'],
      ['hr', 'hub', 'policies/hr.yaml'],
      ['old', 'hub', undefined],
    ]);
  });

  it('works before any revision is known', () => {
    const views = policyViews({ desired: null, clusters: [clusterRecord('eu', [policyReport('mine', { managedBy: 'local' })])] });
    expect(views.map(({ name, phase }) => [name, phase])).toEqual([['mine', 'Active']]);
  });
});

describe('cluster views', () => {
  it.each([
    ['at the revision in force', eu, 'Connected', true],
    ['gone', { ...eu, connected: false }, 'Disconnected', false],
    ['never seen', clusterRecord('eu', [], { connected: false, lastSeen: null, acked: null, report: null }), 'NeverSeen', false],
    ['behind', { ...eu, acked: { revision: OLD_REVISION, digest: 'd' } }, 'Connected', false],
    ['not registered', { ...eu, name: 'stray' }, 'Connected', false],
    ['known from its report only', { ...eu, acked: null }, 'Connected', true],
  ] as const)('%s', (_what, cluster, connection, inSync) => {
    const [view] = clusterViews({ desired, clusters: [cluster] });
    expect(view).toMatchObject({ connection, inSync });
  });

  it('counts every policy for the cluster, and none as Active that is unknown now', () => {
    const [known] = clusterViews({ desired, clusters: [eu] });
    expect(known?.policies).toEqual({ total: 2, active: 2, failed: 0, pending: 0, expired: 0 });
    const [gone] = clusterViews({ desired, clusters: [{ ...eu, connected: false }] });
    expect(gone?.policies).toEqual({ total: 2, active: 0, failed: 0, pending: 2, expired: 0 });
  });

  it('has nothing proven where it is not connected or not observed', () => {
    const views = [eu, { ...eu, notObserved }, { ...eu, connected: false }].map(
      (record) => clusterViews({ desired, clusters: [record] })[0],
    );
    expect(views.map((view) => [view?.provenRevision, view?.inSync, view?.connection, view?.notObserved])).toEqual([
      [REVISION, true, 'Connected', null],
      [null, true, 'Connected', notObserved],
      [null, false, 'Disconnected', null],
    ]);
    const status = statusView(fleetOf({ desired, clusters: [{ ...eu, notObserved }, us] }), source, { version: '1', now: 0 });
    expect(status.clusters).toMatchObject({ connected: 2, notObserved: 1, inSync: 2, proven: 1 });
  });

  it('shows why an agent refused a revision', () => {
    const nack = { revision: REVISION, time: TIME, reasons: [{ path: 'policies/x.yaml', line: 3, message: 'unknown field' }] };
    const [view] = clusterViews({ desired, clusters: [{ ...eu, nack }] });
    expect(view?.nack?.reasons).toEqual([{ path: 'policies/x.yaml', line: 3, reason: 'unknown field' }]);
  });
});

describe('status and violations', () => {
  const violation = { kind: 'Pod', namespace: 'finance', name: 'api-1', region: 'us-east-1', reason: 'outside', since: TIME };
  const violating = clusterRecord('us', [policyReport('finance', { violations: 7, violationSamples: [violation] })]);

  it('adds up counts, also of a cluster that is gone', () => {
    const status = statusView(fleetOf({ desired, clusters: [eu, { ...violating, connected: false }] }), source, { version: '1', now: 0 });
    expect(status.clusters).toEqual({
      total: 2,
      connected: 1,
      notObserved: 0,
      disconnected: 1,
      neverSeen: 0,
      notAllKept: 0,
      inSync: 1,
      proven: 1,
      risksUnknown: 2,
      denialsUnknown: 2,
      tampered: 0,
    });
    expect(status.policies).toEqual({ total: 2, active: 1, failed: 0, pending: 1, expired: 0, expiring: 0 });
    expect(status.violations).toBe(7);
  });

  it('counts only the revision in force as proven', () => {
    const trailing = { ...eu, report: clusterReport(REVISION, OLD_REVISION) };
    expect(statusView(fleetOf({ desired, clusters: [trailing, us] }), source, { version: '1', now: 0 }).clusters).toMatchObject({
      inSync: 2,
      proven: 1,
    });
  });

  it('lists violations with their cluster, policy and action', () => {
    const named = fleetOf({ desired, clusters: [eu, violating] }).violations();
    expect(named.map(({ view }) => view)).toEqual([{ ...violation, cluster: 'us', policy: 'finance', enforcementAction: 'deny' }]);
  });

  it('shows a policy with the violations that its cluster names now, where nothing else has changed', () => {
    const index = new FleetIndex();
    const counted = clusterRecord('us', [policyReport('finance', { violations: 7, violationSamples: [] })]);
    const shownBy = (name: string) => {
      const report = { ...clusterReport(), violationSamples: [{ ...violation, name, policy: 'finance' }] };
      const policy = index.update({ desired, clusters: [{ ...counted, report }] }).policy('finance');
      return policy?.rows.get('us')?.report?.violationSamples.map((sample) => sample.name);
    };
    expect([shownBy('api-1'), shownBy('api-2')]).toEqual([['api-1'], ['api-2']]);
  });
});

describe('when policies that conform changed', () => {
  const at = (second: number): string => new Date(Date.UTC(2026, 0, 2, 0, 0, second)).toISOString();
  const shortReport = (n: number, version: number) => {
    const { lastUpdated: _time, ...short } = policyReport(`p${n}`, { managedBy: 'local', effectiveRegions: [`r${version}`] });
    return short;
  };

  it('dates each of the last changes of a cluster; after many more, all by the last one', () => {
    const index = new FleetIndex();
    let record = clusterRecord(
      'eu',
      Array.from({ length: 70 }, (_, n) => shortReport(n, 0)),
      { policiesChanged: at(0) },
    );
    const rows = () => {
      const policies = index.update({ desired: null, clusters: [record] }).policies();
      return new Map(policies.map((policy) => [policy.key, [policy.summary().lastUpdated, policy.rows.get('eu')?.changed]]));
    };
    const change = (n: number, second: number): void => {
      record = { ...record, policiesChanged: at(second), policies: new Map(record.policies).set(`p${n}`, shortReport(n, second)) };
    };
    rows();
    for (let n = 0; n < 64; n += 1) {
      change(n, n + 1);
      rows();
    }
    expect([0, 63, 64].map((n) => rows().get(`p${n}`))).toEqual([1, 64, 0].map((second) => [at(second), at(second)]));
    change(64, 65);
    expect([...rows().values()]).toEqual(Array.from({ length: 70 }, () => [at(65), at(65)]));
    change(1, 66);
    expect([1, 2].map((n) => rows().get(`p${n}`))).toEqual([66, 65].map((second) => [at(second), at(second)]));
  });

  it('dates from the report where policy and report arrive together, also in a new cluster', () => {
    const index = new FleetIndex();
    const read = (record: ClusterRecord, key: string) =>
      index
        .update({ desired: null, clusters: [record] })
        .policy(key)
        ?.summary().lastUpdated;
    const empty = clusterRecord('eu', [], { policiesChanged: null });
    index.update({ desired: null, clusters: [empty] });
    const first = clusterRecord('eu', [shortReport(1, 1)], { policiesChanged: at(5) });
    expect(read(first, 'p1')).toBe(at(5));
    const second = { ...first, policies: new Map(first.policies).set('p2', shortReport(2, 1)), policiesChanged: at(9) };
    expect([read(second, 'p1'), read(second, 'p2')]).toEqual([at(5), at(9)]);
  });

  it('needs one time for all policies of a first report, and keeps those of changes beside it', () => {
    const index = new FleetIndex();
    const update = (record: ClusterRecord) => index.update({ desired: null, clusters: [record] });
    update(clusterRecord('eu', [], { policiesChanged: null }));
    const names = Array.from({ length: 60 }, (_, n) => n);
    let record = clusterRecord(
      'eu',
      names.map((n) => shortReport(n, 0)),
      { policiesChanged: at(0) },
    );
    update(record);
    for (let n = 60; n < 70; n += 1) {
      record = { ...record, policiesChanged: at(n), policies: new Map(record.policies).set(`p${n}`, shortReport(n, 0)) };
      update(record);
    }
    const times = [0, 59, 60, 69].map((n) => update(record).policy(`p${n}`)?.rows.get('eu')?.changed);
    expect(times).toEqual([0, 0, 60, 69].map(at));
  });
});
