import { expect, it } from 'vitest';
import { clusterView } from './cluster-facts.fixtures.ts';
import { syncOf } from './cluster-sync.ts';

const OTHER = 'b2'.repeat(20);
const nack = { revision: OTHER, reasons: [], time: '2026-01-03T10:00:00Z' };

it.each([
  ['proven', {}],
  ['accepted', { provenRevision: OTHER }],
  ['behind', { inSync: false }],
  ['refused', { inSync: false, offeredRevision: OTHER, nack }],
  ['proven', { nack }],
  ['lastKnown', { connection: 'Disconnected' }],
  ['unknown', { connection: 'NeverSeen' }],
] as const)('%s: %o', (sync, change) => {
  expect(syncOf(clusterView({ ...change, ...('nack' in change ? { nack: { ...nack, reasons: [] } } : {}) }))).toBe(sync);
});
