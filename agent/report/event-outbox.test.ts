import type { ClusterEvent } from '@fso/shared/api';
import { FakeClock } from '@fso/shared/fake-clock';
import type { KubeClient } from '@fso/shared/kube';
import { dropOrder } from '@fso/shared/protocol';
import { createLogger } from '@fso/shared/runtime';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createEventStore, EventOutbox, type EventStore, parseEvents } from './event-outbox.ts';

const logger = createLogger({ name: 'test', level: 'silent' });

const event = (reason: string, severity: ClusterEvent['severity'] = 'info'): ClusterEvent => ({
  time: '2026-01-01T00:00:00Z',
  severity,
  reason,
  message: '',
});
const reasons = (events: readonly ClusterEvent[]): readonly string[] => events.map(({ reason, message }) => reason + message.slice(0, 2));

/** Creates a store with the events that a restart finds. */
const storeOf = (kept: readonly ClusterEvent[] = []) => {
  const store = { kept };
  const restored = [...kept];
  const events: EventStore = {
    take: () => restored.splice(0),
    keep: (next) => {
      store.kept = next;
    },
  };
  return { store, events };
};

describe('EventOutbox', () => {
  it('drops information first, then warnings, then alerts, the oldest of each, and counts them', () => {
    const outbox = new EventOutbox({ clock: new FakeClock(), logger, limit: 4 });
    for (const [reason, severity] of [
      ['A', 'alert'],
      ['B'],
      ['C', 'warning'],
      ['D'],
      ['E', 'alert'],
      ['F', 'warning'],
      ['G', 'alert'],
    ] as const)
      outbox.add(event(reason, severity));
    expect(reasons(outbox.send(1))).toEqual(['EventsDropped4 ', 'A', 'E', 'G']);
    expect(outbox.send(2)).toEqual([]);
    for (const reason of ['H', 'I', 'J', 'K']) outbox.add(event(reason, 'alert'));
    expect(reasons(outbox.send(3))).toEqual(['EventsDropped1 ', 'I', 'J', 'K']);
  });

  it('keeps repairs of tampering through a flood of events about policies of namespaces', () => {
    const outbox = new EventOutbox({ clock: new FakeClock(), logger, limit: 50 });
    const conflict = (namespace: string, n: number): ClusterEvent => ({ ...event('Conflict', 'alert'), policy: `${namespace}/p${n}` });
    const repair: ClusterEvent = { ...event('TamperingRepaired', 'alert'), policy: 'team-a/p1' };
    outbox.add(repair);
    outbox.add(conflict('team-b', 1));
    outbox.add({ ...event('EnforcementFailed', 'alert'), policy: 'finance' });
    for (let n = 0; n < 200; n += 1) outbox.add(conflict('team-a', n));
    const kept = outbox.send(1);
    expect(kept).toHaveLength(50);
    // Those of the namespace that floods go, of these the oldest.
    expect(kept.slice(1, 4).map(({ policy }) => policy)).toEqual(['team-a/p1', 'team-b/p1', 'finance']);
    expect(kept.at(-1)?.policy).toBe('team-a/p199');
  });

  it('drops the same events as judging each on arrival', () => {
    const policies = fc.constantFrom({}, { policy: 'team-a/p' }, { policy: 'team-b/p' });
    const floods = fc.array(fc.tuple(fc.constantFrom('A', 'B', 'C'), fc.constantFrom('info', 'warning', 'alert'), policies), {
      maxLength: 60,
    });
    const limit = 6;
    fc.assert(
      fc.property(floods, (all) => {
        const outbox = new EventOutbox({ clock: new FakeClock(), logger, limit });
        let kept: ClusterEvent[] = [];
        for (const [index, [reason, severity, policy]] of all.entries()) {
          const next = { ...event(reason, severity), revision: `${index}`, ...policy };
          outbox.add(next);
          kept.push(next);
          const [least] = dropOrder(kept);
          if (kept.length >= limit) kept = kept.filter((each) => each !== least);
        }
        expect(outbox.send(1).filter(({ reason }) => reason !== 'EventsDropped')).toEqual(kept);
      }),
    );
  });

  it('keeps an alert of the cluster through a flood of others, also across a restart', async () => {
    const stored: { binaryData?: Record<string, string> } = {};
    const client = {
      get: async () => stored,
      apply: async (_kind: unknown, body: object) => void Object.assign(stored, body),
    } as unknown as KubeClient;
    const clock = new FakeClock();
    const deps = { client, clock, logger };
    const store = createEventStore(deps);
    const stop = new AbortController();
    await store.load(stop.signal);
    const running = store.run(stop.signal);
    const outbox = new EventOutbox({ clock, logger, store });
    outbox.add(event('TamperingRepaired', 'alert'));
    for (let n = 0; n < 1_500; n += 1) outbox.add(event('RevisionNotTrusted', 'alert'));
    await clock.advance(10_000);
    await expect.poll(() => stored.binaryData).toBeDefined();
    stop.abort();
    await running;
    const next = createEventStore(deps);
    await next.load(new AbortController().signal);
    const restored = new EventOutbox({ clock, logger, store: next });
    expect(reasons(restored.send(1))).toContain('TamperingRepaired');
    expect(reasons(outbox.send(1))).toContain('TamperingRepaired');
  });

  it('sends unacknowledged events again, before later ones', () => {
    const outbox = new EventOutbox({ clock: new FakeClock(), logger });
    outbox.add(event('A'));
    outbox.send(1);
    outbox.add(event('B'));
    outbox.send(2);
    outbox.add(event('C'));
    outbox.acknowledged(1);
    outbox.takeBack();
    expect(reasons(outbox.send(3))).toEqual(['B', 'C']);
    expect(outbox.isEmpty).toBe(false);
    outbox.acknowledged(3);
    expect(outbox.isEmpty).toBe(true);
  });

  it('keeps warnings and alerts until they are acknowledged, for the next start', () => {
    const { store, events } = storeOf();
    const outbox = new EventOutbox({ clock: new FakeClock(), logger, store: events });
    outbox.add(event('Trifle'));
    outbox.add(event('Alert', 'alert'));
    outbox.send(1);
    outbox.add(event('Warning', 'warning'));
    expect(reasons(store.kept)).toEqual(['Alert', 'Warning']);
    const second = storeOf(store.kept);
    const next = new EventOutbox({ clock: new FakeClock(), logger, store: second.events });
    next.add(event('New', 'alert'));
    // Killed again before any hub came: nothing of the first life is forgotten.
    expect(reasons(second.store.kept)).toEqual(['Alert', 'Warning', 'New']);
    expect(reasons(next.send(1))).toEqual(['Alert', 'Warning', 'New']);
    outbox.acknowledged(1);
    expect(reasons(store.kept)).toEqual(['Warning']);
  });

  it('neither sends nor keeps events that a hub would not accept', () => {
    const { store, events } = storeOf();
    const outbox = new EventOutbox({ clock: new FakeClock(), logger, store: events });
    outbox.add({ ...event('Expired', 'warning'), revision: '' });
    outbox.add({ ...event('Long', 'warning'), policy: 'x'.repeat(400) });
    const sent = [event('Expired', 'warning'), event('Long', 'warning')];
    expect([outbox.send(1), store.kept]).toEqual([sent, sent]);
  });

  it('restores all events that can be read', () => {
    const alert = event('TamperingRepaired', 'alert');
    expect(parseEvents([{ ...alert, revision: '' }, 'nothing', { reason: 'NoTime' }, alert])).toEqual([alert, alert]);
    expect(() => parseEvents('nothing')).toThrow();
  });
});
