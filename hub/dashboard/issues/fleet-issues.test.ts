import type { ClusterView, StatusView } from '@fso/shared/api';
import { describe, expect, it } from 'vitest';
import { type ClusterSample, type FleetState, listFleetIssues, readingOf } from './fleet-issues.ts';

const NOW = Date.UTC(2026, 0, 2);
const at = (hours: number): string => new Date(NOW + hours * 3_600_000).toISOString();
const commit = (revision: string) => ({ revision, author: 'Ada', subject: 'A change', time: at(-1) });

const STATUS: StatusView = {
  version: '1',
  source: { url: 'https://git.example/policies', ref: 'main', revision: commit('a1'), rejected: null, error: null, lastFetch: at(0) },
  clusters: { total: 3, connected: 3, notObserved: 0, disconnected: 0, neverSeen: 0, notAllKept: 0, inSync: 3, proven: 3, tampered: 0 },
  policies: { total: 4, active: 4, failed: 0, pending: 0, expired: 0, expiring: 0 },
  violations: 0,
};

const cluster = (name: string, more: Partial<ClusterView> = {}): ClusterView => ({
  name,
  regions: [],
  labels: {},
  connection: 'Connected',
  notObserved: null,
  notKept: null,
  lastSeen: at(0),
  offeredRevision: 'b2',
  revision: 'a1',
  provenRevision: 'a1',
  inSync: false,
  nack: null,
  policies: { total: 0, active: 0, failed: 0, pending: 0, expired: 0 },
  violations: 0,
  clockSkewMs: null,
  certificateExpires: at(20),
  report: null,
  ...more,
});

const some = (...items: ClusterView[]): ClusterSample => ({ items, total: items.length });

const facts = (more: Partial<FleetState> = {}): FleetState => ({
  status: STATUS,
  refusing: some(),
  tampered: some(),
  locksNotReady: some(),
  certificates: some(),
  denied: 0,
  isAuditIntact: true,
  oldestStale: null,
  ...more,
});
const refusing = (name: string): ClusterView =>
  cluster(name, { nack: { revision: 'b2', time: at(-2), reasons: [{ path: 'policies/a.yaml', line: 3, reason: 'unknown field' }] } });

const keys = (given: FleetState): string[] => listFleetIssues(given, NOW).map(({ key }) => key);

describe('listFleetIssues', () => {
  it('is empty where all is well', () => {
    expect(keys(facts())).toEqual([]);
  });

  it('has everything that can be wrong, the worst first', () => {
    const source = {
      ...STATUS.source,
      error: { message: 'connection refused', since: at(-3) },
      rejected: { commit: commit('c3'), problems: [{ path: 'policies/x.yaml', line: 9, reason: 'no such region group' }, { reason: 'b' }] },
    };
    const status: StatusView = {
      ...STATUS,
      source,
      clusters: { ...STATUS.clusters, disconnected: 2, neverSeen: 1, tampered: 1 },
      policies: { ...STATUS.policies, failed: 1, pending: 3, expired: 1, expiring: 2 },
      violations: 1234,
    };
    const all = facts({
      status,
      refusing: some(refusing('eu')),
      tampered: some(cluster('us')),
      locksNotReady: some(cluster('bare')),
      certificates: some(cluster('late', { certificateExpires: at(2) }), cluster('good')),
      denied: 3,
      isAuditIntact: false,
      oldestStale: at(-30),
    });
    expect(keys(all)).toEqual([
      'source-error',
      'rejected',
      'audit',
      'tampered',
      'refusal eu',
      'failed',
      'violations',
      'locks',
      'expiring',
      'stale',
      'certificates',
      'pending',
      'expired',
      'never-seen',
    ]);
    const items = new Map(listFleetIssues(all, NOW).map((item) => [item.key, item]));
    expect(items.get('rejected')).toMatchObject({
      detail: 'policies/x.yaml:9: no such region group (and 1 more)',
      target: { page: 'commit', revision: 'c3' },
    });
    expect(items.get('refusal eu')).toMatchObject({ detail: 'policies/a.yaml:3: unknown field', target: { page: 'cluster', name: 'eu' } });
    expect(items.get('stale')).toMatchObject({ since: at(-30), target: { page: 'clusters', search: { connection: 'Disconnected' } } });
    expect(items.get('certificates')?.detail).toBe('late');
  });

  it('gathers many refusals into one line, and counts those that were not read, too', () => {
    const [item, ...others] = listFleetIssues(facts({ refusing: { items: ['a', 'b', 'c', 'd', 'e'].map(refusing), total: 1205 } }), NOW);
    expect(others).toEqual([]);
    expect(item).toMatchObject({
      key: 'refusals',
      title: '1,205 clusters refused the commit offered to them',
      detail: 'a, b, c and 1,202 more',
      target: { page: 'clusters', search: { refusing: 'true' } },
    });
  });

  it.each([
    [undefined, { level: 'danger', target: { page: 'compliance', search: {} } }],
    [0, { level: 'warning', detail: 'None of them breaks a deny policy.' }],
    [1, { level: 'danger', detail: '1 of the listed violations breaks a deny policy.', target: { search: { action: 'deny' } } }],
  ])('reports violations, of which %o break a deny policy', (denied, item) => {
    const [first, ...others] = listFleetIssues(facts({ status: { ...STATUS, violations: 10_000 }, denied }), NOW);
    expect(first).toMatchObject({ title: '10,000 violations: workloads are outside the allowed regions', ...item });
    expect(others).toEqual([]);
  });

  it('says that there may be more certificates where all that were read are bad', () => {
    const late = some(cluster('late', { certificateExpires: at(2) }));
    const titles = (certificates: ClusterSample) => listFleetIssues(facts({ certificates }), NOW).map(({ title }) => title);
    expect(titles(late)).toEqual([expect.stringMatching(/^1 cluster has a certificate/)]);
    expect(titles({ ...late, total: 2 })).toEqual([expect.stringMatching(/^At least 1 cluster has a certificate/)]);
  });
});

describe('readingOf', () => {
  it.each([
    ['complete', ['success', 'success']],
    ['pending', ['success', 'pending']],
    ['failed', ['pending', 'error', 'success']],
  ] as const)('%s: %o', (reading, states) => {
    expect(readingOf(states.map((status) => ({ status })))).toBe(reading);
  });
});
