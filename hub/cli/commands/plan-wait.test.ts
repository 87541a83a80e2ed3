import type { ClusterView, SourceView } from '@fso/shared/api';
import { describe, expect, it } from 'vitest';
import { planWait, type Wanted } from './wait.ts';

const NEW = 'a1'.repeat(20);
const OLD = 'b2'.repeat(20);
const time = '2026-01-03T10:30:00Z';
const commitOf = (revision: string) => ({ revision, author: 'Ada', subject: 's', time });

const source: SourceView = { url: 'u', ref: 'main', revision: commitOf(NEW), rejected: null, error: null, lastFetch: time };
const cluster = (name: string, change: Partial<ClusterView> = {}): ClusterView => ({
  name,
  regions: ['eu-west-1'],
  provider: null,
  labels: {},
  connection: 'Connected',
  notObserved: null,
  notKept: null,
  lastSeen: time,
  offeredRevision: NEW,
  revision: NEW,
  provenRevision: NEW,
  inSync: true,
  nack: null,
  policies: { total: 3, active: 2, failed: 1, pending: 0, expired: 0 },
  violations: 0,
  clockSkewMs: null,
  certificateExpires: null,
  report: null,
  ...change,
});
const wanted = (change: Partial<Wanted> = {}): Wanted => ({ revision: 'a1a1', goal: 'proven', later: new Set(), ...change });

describe('wait', () => {
  it('is done when every registered cluster has it, also by the beginning of its id', () => {
    const stray = cluster('stray', { regions: [], revision: null, provenRevision: null });
    expect(planWait(wanted(), source, [cluster('eu'), cluster('us'), stray])).toEqual({ state: 'done', clusters: 2 });
  });

  it('is not done without a cluster', () => {
    expect(planWait(wanted(), source, [])).toMatchObject({ state: 'waiting', missing: [] });
    expect(planWait(wanted({ cluster: 'nowhere' }), source, [cluster('eu')])).toMatchObject({ state: 'waiting' });
  });

  it.each([
    ['not connected', { connection: 'Disconnected' as const }, 'is not connected (Disconnected)'],
    ['behind', { revision: OLD, provenRevision: OLD }, 'has accepted b2b2b2b2'],
    ['not proven', { provenRevision: OLD }, 'has proven b2b2b2b2; 2 of 3 policies active, 1 failed'],
    ['not observed', { provenRevision: null, notObserved: { since: time, what: ['Pod', 'status'] } }, 'is not observed (Pod, status)'],
    [
      'refused',
      { revision: OLD, nack: { revision: NEW, time, reasons: [{ path: 'policies/x.yaml', line: 3, reason: 'unknown field' }] } },
      'refused the revision: policies/x.yaml:3: unknown field',
    ],
  ])('lists what a cluster lacks: %s', (_what, change, reason) => {
    expect(planWait(wanted(), source, [cluster('eu'), cluster('us', change)])).toEqual({
      state: 'waiting',
      reason: 'proven in 1 of 2 clusters',
      missing: [{ cluster: 'us', reason }],
    });
  });

  it('requires only what is wanted', () => {
    const behind = cluster('us', { provenRevision: OLD });
    expect(planWait(wanted({ goal: 'accepted' }), source, [cluster('eu'), behind])).toMatchObject({ state: 'done' });
    expect(planWait(wanted({ cluster: 'eu' }), source, [cluster('eu'), behind])).toEqual({ state: 'done', clusters: 1 });
  });

  it('accepts a later revision than the wanted one', () => {
    const ahead = cluster('eu', { revision: OLD, provenRevision: OLD });
    expect(planWait(wanted({ later: new Set([OLD]) }), source, [ahead])).toMatchObject({ state: 'done' });
  });

  it("names the hub's commit while it does not know the revision", () => {
    expect(planWait(wanted({ revision: 'ffff' }), source, [cluster('eu')])).toMatchObject({ reason: 'the hub is at a1a1a1a1' });
  });

  it('ends when the hub refused the commit', () => {
    const problems = [{ path: 'policies/x.yaml', line: 2, column: 1, reason: 'unknown field' }];
    const refused = { ...source, rejected: { commit: commitOf('cc'.repeat(20)), problems } };
    expect(planWait(wanted({ revision: 'cccc' }), refused, [cluster('eu')])).toEqual({
      state: 'refused',
      reason: 'the hub refused the commit: policies/x.yaml:2:1: unknown field',
    });
  });
});
