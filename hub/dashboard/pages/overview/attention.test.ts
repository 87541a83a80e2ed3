import type { ClusterView, StatusView } from '@fso/shared/api';
import { describe, expect, it } from 'vitest';
import { attentionItems, type FleetFacts, problemText } from './attention.ts';

const NOW = Date.UTC(2026, 0, 2);
const at = (hours: number): string => new Date(NOW + hours * 3_600_000).toISOString();
const commit = (revision: string) => ({ revision, author: 'Ada', subject: 'A change', time: at(-1) });

const STATUS: StatusView = {
  version: '1',
  source: { url: 'https://git.example/policies', ref: 'main', revision: commit('a1'), rejected: null, error: null, lastFetch: at(0) },
  clusters: { total: 3, connected: 3, disconnected: 0, neverSeen: 0, inSync: 3, proven: 3, tampered: 0 },
  policies: { total: 4, active: 4, failed: 0, pending: 0, expired: 0, expiring: 0 },
  violations: 0,
};

const cluster = (name: string, more: Partial<ClusterView> = {}): ClusterView => ({
  name,
  regions: [],
  labels: {},
  connection: 'Connected',
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

const facts = (more: Partial<FleetFacts> = {}): FleetFacts => ({
  status: STATUS,
  behind: [],
  tampered: [],
  certificates: [],
  oldestStale: null,
  ...more,
});
const refusing = (name: string): ClusterView =>
  cluster(name, { nack: { revision: 'b2', time: at(-2), reasons: [{ path: 'policies/a.yaml', line: 3, reason: 'unknown field' }] } });

const keys = (given: FleetFacts): string[] => attentionItems(given, NOW).map(({ key }) => key);

describe('attentionItems', () => {
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
      policies: { ...STATUS.policies, failed: 1, expired: 1, expiring: 2 },
    };
    const all = facts({
      status,
      behind: [refusing('eu')],
      tampered: [cluster('us')],
      certificates: [cluster('late', { certificateExpires: at(2) }), cluster('good')],
      oldestStale: at(-30),
    });
    expect(keys(all)).toEqual([
      'source-error',
      'rejected',
      'refusal eu',
      'failed',
      'tampered',
      'expiring',
      'stale',
      'certificates',
      'expired',
      'never-seen',
    ]);
    const items = new Map(attentionItems(all, NOW).map((item) => [item.key, item]));
    expect(items.get('rejected')).toMatchObject({
      detail: 'policies/x.yaml:9: no such region group (and 1 more)',
      target: { page: 'commit', revision: 'c3' },
    });
    expect(items.get('refusal eu')).toMatchObject({ detail: 'policies/a.yaml:3: unknown field', target: { page: 'cluster', name: 'eu' } });
    expect(items.get('stale')).toMatchObject({ since: at(-30), target: { page: 'clusters', search: { connection: 'Disconnected' } } });
    expect(items.get('certificates')?.detail).toBe('late');
  });

  it('gathers many refusals into one line', () => {
    const [item, ...others] = attentionItems(facts({ behind: ['a', 'b', 'c', 'd', 'e'].map(refusing) }), NOW);
    expect(others).toEqual([]);
    expect(item).toMatchObject({
      key: 'refusals',
      title: '5 clusters refused the commit that they were offered',
      detail: 'a, b, c and 2 more',
    });
  });

  it('leaves out a refusal of what is no longer offered', () => {
    expect(keys(facts({ behind: [{ ...refusing('eu'), offeredRevision: 'd4' }] }))).toEqual([]);
  });
});

describe('problemText', () => {
  it.each([
    [{ path: 'a.yaml', line: 3, reason: 'bad' }, 'a.yaml:3: bad'],
    [{ path: 'a.yaml', reason: 'bad' }, 'a.yaml: bad'],
    [{ reason: 'unsigned' }, 'unsigned'],
  ])('%o', (problem, text) => {
    expect(problemText(problem)).toBe(text);
  });
});
