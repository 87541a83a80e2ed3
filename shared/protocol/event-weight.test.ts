import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ClusterEvent } from '../api/index.ts';
import { capSeverity, dropOrder, tenantOf, weightOf } from './event-weight.ts';

const event = (severity: ClusterEvent['severity'], policy?: string, reason = 'Conflict'): ClusterEvent => ({
  time: '2026-01-01T00:00:00Z',
  severity,
  reason,
  message: '',
  ...(policy === undefined ? {} : { policy }),
});

describe('weightOf', () => {
  it('ranks what tenants cause before all else of its severity, and tampering last', () => {
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
  it("reduces an alert about a namespace's own policy to a warning, and nothing else", () => {
    expect(capSeverity(event('alert', 'team-a/p'))).toEqual(event('warning', 'team-a/p'));
    for (const kept of [
      event('info', 'team-a/p'),
      event('alert', 'finance'),
      event('alert'),
      event('alert', 'team-a/p', 'TamperingRepaired'),
    ])
      expect(capSeverity(kept)).toBe(kept);
  });

  it('distinguishes policies of the hub from those of a namespace', () => {
    expect(tenantOf(event('alert', 'federated-sovereignty-system/finance'))).toBeUndefined();
    expect(tenantOf(event('alert', 'team-a/finance'))).toBe('team-a');
  });
});

/** The oldest event of the largest group among the events of the least weight. */
const leastOf = (events: readonly ClusterEvent[]): ClusterEvent | undefined => {
  const byWeight = Map.groupBy(events, weightOf);
  const least = byWeight.get(Math.min(...byWeight.keys())) ?? [];
  const groups = Map.groupBy(least, (each) => tenantOf(each) ?? each.policy ?? each.reason);
  return [...groups.values()].sort((a, b) => b.length - a.length)[0]?.[0];
};

const events = fc.array(
  fc
    .tuple(
      fc.constantFrom<ClusterEvent['severity']>('info', 'warning', 'alert'),
      fc.constantFrom(undefined, 'finance', 'hr', 'team-a/p', 'team-a/q', 'team-b/p'),
      fc.constantFrom('Conflict', 'TamperingRepaired', 'RevisionNotTrusted'),
    )
    .map((args) => event(...args)),
  { maxLength: 40 },
);

describe('dropOrder', () => {
  it('begins with the oldest of the namespace with the most of the least weight', () => {
    const [first, second] = [event('warning', 'team-b/p'), event('warning', 'team-b/q')];
    expect(dropOrder([event('alert'), event('warning', 'team-a/p'), first, second])[0]).toBe(first);
    expect(dropOrder([])).toEqual([]);
  });

  it('keeps alerts of the cluster beside any number of alerts for another reason', () => {
    const refused = Array.from({ length: 50 }, () => event('alert', undefined, 'RevisionNotTrusted'));
    const fork = event('alert', undefined, 'AuditForkDetected');
    expect(dropOrder([fork, ...refused]).indexOf(fork)).toBe(49);
  });

  it('is the order of dropping one after the other', () => {
    fc.assert(
      fc.property(events, (all) => {
        const left = [...all];
        for (const next of dropOrder(all)) {
          const least = leastOf(left);
          expect(next === least).toBe(true);
          left.splice(left.indexOf(next), 1);
        }
        expect(left).toEqual([]);
      }),
    );
  });
});
