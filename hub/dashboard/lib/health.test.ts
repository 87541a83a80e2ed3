import type { ClusterView } from '@fso/shared/api';
import { expect, it } from 'vitest';
import { certificateState, expiryOf, isSkewed, type SyncState, skewText, syncStateOf } from './health.ts';
import { after, clusterView, NOW } from './testing/cluster-view.ts';

it.each([
  ['good', after(8)],
  ['late', after(5)],
  ['expired', after(0)],
  ['none', null],
] as const)('%s: until %s', (state, expires) => {
  expect(certificateState(expires, NOW)).toBe(state);
});

it.each([
  [null, false, 'not known'],
  [-400, false, 'agrees with the hub'],
  [2500, false, '2.5 s ahead of the hub'],
  [-90_000, true, '1 min 30 s behind the hub'],
] as const)('%s ms', (skewMs, skewed, text) => {
  expect([isSkewed(skewMs), skewText(skewMs)]).toEqual([skewed, text]);
});

const OTHER = 'b2'.repeat(20);
const nack = { revision: OTHER, reasons: [], time: '2026-01-03T10:00:00Z' };

it.each([
  ['proven', {}],
  ['accepted', { provenRevision: OTHER }],
  ['behind', { inSync: false }],
  ['refused', { inSync: false, offeredRevision: OTHER, nack }],
  ['proven', { nack }],
  ['lastKnown', { connection: 'Disconnected' }],
  ['lastKnown', { notObserved: { since: '2026-01-03T10:00:00Z', what: ['Pod'] } }],
  ['unknown', { connection: 'NeverSeen' }],
] satisfies [SyncState, Partial<ClusterView>][])('%s: %o', (sync, change) => {
  expect(syncStateOf(clusterView(change))).toBe(sync);
});

const TODAY = Date.parse('2026-01-01T00:00:00Z');

it('shows how near the end of a policy is', () => {
  expect(expiryOf(undefined, TODAY)).toBe('never');
  expect(expiryOf('2026-01-01T00:00:00Z', TODAY)).toBe('past');
  expect(expiryOf('2026-01-15T00:00:00Z', TODAY)).toBe('soon');
  expect(expiryOf('2026-01-15T00:00:01Z', TODAY)).toBe('later');
});
