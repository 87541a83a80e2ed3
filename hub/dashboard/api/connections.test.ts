import { expect, it } from 'vitest';
import { connectionsFrom, oldestOf, type Unconnected } from './connections.ts';

const UNCONNECTED = new Map<string, Unconnected>([
  ['far', { connection: 'Disconnected', lastSeen: '2026-01-02T00:00:00Z' }],
  ['farther', { connection: 'Disconnected', lastSeen: '2026-01-01T23:00:00-01:00' }],
  ['farthest', { connection: 'Disconnected', lastSeen: '2026-01-01T00:00:00Z' }],
  ['new', { connection: 'NeverSeen', lastSeen: null }],
]);

it('counts a cluster as connected only where all disconnected ones are known', () => {
  expect(connectionsFrom(UNCONNECTED, true)('eu')).toEqual({ connection: 'Connected' });
  expect(connectionsFrom(UNCONNECTED, false)('eu')).toBeUndefined();
  expect(connectionsFrom(undefined, true)('eu')).toBeUndefined();
  expect(connectionsFrom(UNCONNECTED, false)('far')?.connection).toBe('Disconnected');
  expect(connectionsFrom(UNCONNECTED, true)('new')?.connection).toBe('NeverSeen');
});

it('finds the one that is silent for longest', () => {
  expect(oldestOf(UNCONNECTED)).toBe('2026-01-01T00:00:00Z');
  expect(oldestOf(new Map())).toBeNull();
});
