import type { ClusterEvent } from '@fso/shared/api';
import { FakeClock } from '@fso/shared/fake-clock';
import { describe, expect, it } from 'vitest';
import { DEFAULT_EVENT_LIMITS, EventBudget } from './event-budget.ts';

const TIME = '2026-01-01T00:00:00.000Z';
const events = (count: number, severity: ClusterEvent['severity'] = 'info', policy = 'finance'): ClusterEvent[] =>
  Array.from({ length: count }, (_, i) => ({ time: TIME, severity, reason: 'Flood', message: `${severity} ${i}`, policy }));
const conflicts = (count: number, namespace: string): ClusterEvent[] =>
  Array.from({ length: count }, (_, i) => ({
    time: TIME,
    severity: 'alert',
    reason: 'Conflict',
    message: 'no region is left',
    policy: `${namespace}/p${i}`,
  }));
const tampering: ClusterEvent = {
  time: TIME,
  severity: 'alert',
  reason: 'TamperingRepaired',
  message: 'ValidatingAdmissionPolicyBinding/fso-floor-pods-deny was deleted by someone else and put back',
};

const createBench = () => {
  const clock = new FakeClock();
  const budget = new EventBudget(clock, DEFAULT_EVENT_LIMITS);
  const admit = (some: readonly ClusterEvent[]) => budget.admit(some).events;
  return { clock, budget, admit };
};
const reasonsOf = (kept: readonly ClusterEvent[]): readonly string[] => [...new Set(kept.map(({ reason }) => reason))];

describe('EventBudget', () => {
  it('keeps 1,000 at once and 10 a second, the most severe first, and counts the rest in one event a minute', async () => {
    const { clock, admit } = createBench();
    expect(admit(events(990))).toHaveLength(990);
    const kept = admit([...events(500), ...events(3, 'alert'), ...events(2, 'warning')]);
    const told = kept.filter(({ reason }) => reason === 'EventsDropped');
    expect(told).toEqual([expect.objectContaining({ severity: 'warning', message: expect.stringMatching(/^495 events /) })]);
    expect(kept.map(({ message }) => message).slice(0, -1)).toEqual([
      ...events(5).map(({ message }) => message),
      ...events(3, 'alert').map(({ message }) => message),
      ...events(2, 'warning').map(({ message }) => message),
    ]);
    await clock.advance(1_000);
    expect(admit(events(100))).toHaveLength(10);
    await clock.advance(59_000);
    // What was dropped meanwhile is told although nothing is dropped now.
    expect(admit(events(1)).map(({ reason }) => reason)).toEqual(['Flood', 'EventsDropped']);
    expect(admit(events(1))).toHaveLength(1);
  });

  it('counts events that were dropped without more of them', async () => {
    const { clock, budget, admit } = createBench();
    admit(events(1_500));
    admit(events(5));
    expect(budget.takeDropped()).toBeUndefined();
    await clock.advance(60_000);
    expect(budget.takeDropped()).toMatchObject({ reason: 'EventsDropped', message: expect.stringMatching(/^5 events /) });
    expect(budget.takeDropped()).toBeUndefined();
  });

  it('keeps the repair of tampering in the minute of a flood of any policies', async () => {
    const { clock, admit } = createBench();
    for (let second = 0; second < 60; second += 1) {
      // The flood of one frame, then a frame with the repair alone.
      admit([...conflicts(500, 'team-a'), ...events(500, 'alert')]);
      expect(reasonsOf(admit([{ ...tampering, message: `repair ${second}` }]))).toContain('TamperingRepaired');
      await clock.advance(1_000);
    }
  });

  it('leaves room for policies of the hub and for other namespaces beside a namespace that floods', async () => {
    const { clock, admit } = createBench();
    expect(admit(conflicts(1_000, 'team-a')).filter(({ reason }) => reason === 'Conflict')).toHaveLength(100);
    expect(admit(conflicts(20, 'team-b'))).toHaveLength(20);
    expect(admit(events(500, 'info'))).toHaveLength(500);
    for (let n = 0; n < 20; n += 1) admit(conflicts(100, `more-${n}`));
    await clock.advance(10_000);
    expect(admit(conflicts(1_000, 'team-a'))).toHaveLength(1);
    expect(admit(events(90))).toHaveLength(90);
  });

  it('takes back admitted events, from the allowance that paid, and the count of the others', () => {
    const { budget, admit } = createBench();
    const repairs = Array.from({ length: 101 }, (_, n) => ({ ...tampering, message: `repair ${n}` }));
    // The last repair is paid for by the allowance of all.
    const all = [...repairs, ...events(999), ...conflicts(5, 'team-a')];
    const first = budget.admit(all);
    expect(first.events.slice(0, 101)).toEqual(repairs);
    expect(first.events.at(-1)).toMatchObject({ reason: 'EventsDropped', message: expect.stringMatching(/^5 events /) });
    first.undo();
    expect(admit(all)).toEqual(first.events);
    expect([admit([tampering]), admit(events(1))]).toEqual([[], []]);
  });
});
