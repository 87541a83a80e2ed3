import type { ClusterEvent, PolicyReport } from '@fso/shared/api';
import type { Report } from '@fso/shared/protocol';
import { systemClock } from '@fso/shared/runtime';
import { describe, expect, it } from 'vitest';
import { createMemoryLedger } from './memory.ts';
import type { LedgerChange } from './types.ts';

const time = '2026-01-03T10:30:00Z';
const clock = { ...systemClock, now: () => new Date(time) };
const lock = { state: 'Enforced' as const, since: time };

const policy = (name: string, violations = 0): PolicyReport => ({
  namespace: 'policies',
  name,
  managedBy: 'hub',
  targetNamespace: 'finance',
  enforcementAction: 'deny',
  effectiveRegions: ['eu-west-1'],
  namespaces: ['finance'],
  phase: 'Active',
  message: '',
  constraintCreated: true,
  enforcement: { admission: lock, gatekeeper: lock, binding: lock },
  violations,
  violationSamples: [],
  conditions: [],
  lastUpdated: time,
});
const report = (seq: number, change: Partial<Report>): Report => ({
  type: 'report',
  seq,
  full: false,
  policies: [],
  removed: [],
  events: [],
  ...change,
});
const event = (reason: string): ClusterEvent => ({ time, severity: 'info', reason, message: reason });

describe('memory ledger', () => {
  it('merges deltas and replaces everything with a full report', async () => {
    const ledger = createMemoryLedger({ clock });
    await ledger.applyReport('eu', report(1, { full: true, policies: [policy('a'), policy('b')] }));
    await ledger.applyReport('eu', report(2, { policies: [policy('b', 3)], removed: ['policies/a'] }));
    const afterDelta = await ledger.cluster('eu');
    expect([...(afterDelta?.policies.keys() ?? [])]).toEqual(['policies/b']);
    expect(afterDelta?.policies.get('policies/b')?.violations).toBe(3);
    await ledger.applyReport('eu', report(3, { full: true, policies: [policy('c')] }));
    const afterFull = await ledger.cluster('eu');
    expect([...(afterFull?.policies.keys() ?? [])]).toEqual(['policies/c']);
    expect(afterFull?.reportedSeq).toBe(3);
    // What a reader was given before stays as it was.
    expect([...(afterDelta?.policies.keys() ?? [])]).toEqual(['policies/b']);
  });

  it('knows registered clusters that were never seen, and seen ones that are not registered', async () => {
    const ledger = createMemoryLedger({ clock });
    await ledger.setConnected('stray', true);
    await ledger.setDesired({
      revision: 'a'.repeat(40),
      set: { policies: [], clusters: [], regionGroups: [], rollout: undefined },
      clusters: new Map([['eu', []]]),
    });
    expect((await ledger.clusters()).map((c) => [c.name, c.connected, c.lastSeen === null])).toEqual([
      ['eu', false, true],
      ['stray', true, false],
    ]);
    expect(await ledger.cluster('nowhere')).toBeNull();
  });

  it('keeps a bounded history and pages it backwards', async () => {
    const ledger = createMemoryLedger({ clock, eventLimit: 3 });
    for (const reason of ['A', 'B', 'C', 'D']) await ledger.addEvent(reason === 'C' ? 'eu' : null, event(reason));
    expect((await ledger.events({ limit: 10 })).map((e) => e.reason)).toEqual(['D', 'C', 'B']);
    expect((await ledger.events({ limit: 1, before: 4 })).map((e) => e.reason)).toEqual(['C']);
    expect((await ledger.events({ limit: 10, cluster: 'eu' })).map((e) => e.id)).toEqual([3]);
  });

  it('clears a nack with the next ack and wakes readers once per change', async () => {
    const ledger = createMemoryLedger({ clock });
    const changes: LedgerChange[] = [];
    const end = ledger.subscribe((change) => changes.push(change));
    await ledger.setConnected('eu', true);
    await ledger.setConnected('eu', true);
    await ledger.setNack('eu', { revision: 'b'.repeat(40), reasons: [{ message: 'no' }] });
    expect((await ledger.cluster('eu'))?.nack?.time).toBe('2026-01-03T10:30:00.000Z');
    await ledger.setAck('eu', { revision: 'c'.repeat(40), digest: 'd' });
    expect((await ledger.cluster('eu'))?.nack).toBeNull();
    expect(changes).toHaveLength(3);
    end();
    await ledger.setConnected('eu', false);
    expect(changes).toHaveLength(3);
  });
});
