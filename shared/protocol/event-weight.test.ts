import { describe, expect, it } from 'vitest';
import type { ClusterEvent } from '../api/index.ts';
import { capSeverity, leastOf, tenantOf, weightOf } from './event-weight.ts';

const event = (severity: ClusterEvent['severity'], policy?: string, reason = 'Conflict'): ClusterEvent => ({
  time: '2026-01-01T00:00:00Z',
  severity,
  reason,
  message: '',
  ...(policy === undefined ? {} : { policy }),
});

describe('weightOf', () => {
  it('puts what tenants cause before all else of its severity, and tampering last', () => {
    const ordered = [
      event('info', 'team-a/p'),
      event('info', 'finance'),
      event('warning', 'team-a/p'),
      event('warning'),
      event('alert', 'finance'),
      event('alert', 'team-a/p', 'TamperingRepaired'),
    ];
    const weights = ordered.map(weightOf);
    expect(weights).toEqual([...new Set(weights)].sort((a, b) => a - b));
    expect(weightOf(event('alert', 'team-a/p'))).toBe(weightOf(event('warning', 'team-a/p')));
    expect(weightOf(event('alert'))).toBe(weightOf(event('alert', 'finance', 'TamperingRepaired')));
  });
});

describe('capSeverity', () => {
  it("makes a warning of an alert about a namespace's own policy, and of nothing else", () => {
    expect(capSeverity(event('alert', 'team-a/p'))).toEqual(event('warning', 'team-a/p'));
    for (const kept of [
      event('info', 'team-a/p'),
      event('alert', 'finance'),
      event('alert'),
      event('alert', 'team-a/p', 'TamperingRepaired'),
    ])
      expect(capSeverity(kept)).toBe(kept);
  });

  it('takes no policy of the hub for one of a namespace', () => {
    expect(tenantOf(event('alert', 'federated-sovereignty-system/finance'))).toBeUndefined();
    expect(tenantOf(event('alert', 'team-a/finance'))).toBe('team-a');
  });
});

describe('leastOf', () => {
  it('finds the oldest of the namespace with the most of the least weight', () => {
    const [first, second] = [event('warning', 'team-b/p'), event('warning', 'team-b/q')];
    expect(leastOf([event('alert'), event('warning', 'team-a/p'), first, second])).toBe(first);
    expect(leastOf([])).toBeUndefined();
  });
});
