import { FakeClock } from '@fso/shared/fake-clock';
import { systemClock } from '@fso/shared/runtime';
import { expect, it } from 'vitest';
import { TurnLimiter } from './turn-limiter.ts';

const never = new AbortController().signal;
const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

it('admits a bounded number at a time, others in their order, and drops those that leave while waiting', async () => {
  const turns = new TurnLimiter(2, systemClock);
  const inside: string[] = [];
  const leaveOf = new Map<string, () => void>();
  const gone = new AbortController();
  const enter = async (name: string, signal = never): Promise<void> => {
    leaveOf.set(name, await turns.enter(signal));
    inside.push(name);
  };
  const failed = ['a', 'b', 'c'].map((name) => enter(name));
  const left = enter('gone', gone.signal).catch((reason: Error) => reason.message);
  failed.push(enter('d'));
  await nextTurn();
  expect([inside, turns.waiting]).toEqual([['a', 'b'], 3]);
  gone.abort(new Error('closed'));
  expect(await left).toBe('closed');
  leaveOf.get('a')?.();
  // To leave twice makes room once.
  leaveOf.get('a')?.();
  // Who comes now finds no free place between the one that left and the next one.
  const late = enter('late');
  await nextTurn();
  expect([inside, turns.waiting]).toEqual([['a', 'b', 'c'], 2]);
  for (const name of ['b', 'c']) leaveOf.get(name)?.();
  await Promise.all([...failed, late]);
  expect([inside, turns.waiting]).toEqual([['a', 'b', 'c', 'd', 'late'], 0]);
});

it('measures the rate of agents while others wait, without pauses', async () => {
  const clock = new FakeClock();
  const turns = new TurnLimiter(1, clock);
  expect(turns.paceMs).toBe(10);
  const passThrough = async (agents: number, eachMs: number): Promise<void> => {
    const all = Array.from({ length: agents }, async () => {
      const leave = await turns.enter(never);
      await clock.sleep(eachMs, never);
      leave();
    });
    for (let agent = 0; agent < agents; agent += 1) {
      await nextTurn();
      await clock.advance(eachMs);
    }
    await Promise.all(all);
  };
  await passThrough(200, 20);
  expect(turns.paceMs).toBeCloseTo(20, 0);
  await clock.advance(3_600_000);
  await passThrough(1, 20);
  expect(turns.paceMs).toBeCloseTo(20, 0);
  await passThrough(200, 500);
  expect(turns.paceMs).toBeCloseTo(25, 0);
  await passThrough(200, 5);
  expect(turns.paceMs).toBeCloseTo(5, 0);
});
