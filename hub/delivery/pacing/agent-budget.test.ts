import { FakeClock } from '@fso/shared/fake-clock';
import { describe, expect, it } from 'vitest';
import { AgentBudget, createAgentBudgets, DEFAULT_AGENT_LIMITS } from './agent-budget.ts';

const createBench = () => {
  const clock = new FakeClock();
  return { clock, budget: new AgentBudget(clock, DEFAULT_AGENT_LIMITS) };
};

describe('frames of one cluster', () => {
  it('pass at once up to a number and a size, then at a rate', async () => {
    const { clock, budget } = createBench();
    for (let i = 0; i <= 500; i += 1) expect(budget.frame(100)).toBe(0);
    expect(budget.frame(100)).toBe(20);
    await clock.advance(60_000);
    const MiB = 1024 * 1024;
    expect(budget.frame(48 * MiB)).toBe(0);
    expect(budget.frame(MiB)).toBe(16_000);
  });

  it('owe no more than one of them', () => {
    const { budget } = createBench();
    for (let i = 0; i < 100; i += 1) budget.frame(32 * 1024 * 1024);
    expect(budget.frame(0)).toBe(32_000);
  });
});

describe('CPU time of the frames of one cluster', () => {
  it('passes at once up to five seconds, then at a tenth of a thread', async () => {
    const { clock, budget } = createBench();
    budget.spendCpu(5_000);
    expect(budget.frame(0)).toBe(0);
    budget.spendCpu(200);
    expect(budget.frame(0)).toBe(2_000);
    await clock.advance(2_000);
    expect(budget.frame(0)).toBe(0);
  });

  it('holds back neither 50 reports a second nor the first report of a large cluster', async () => {
    const { clock, budget } = createBench();
    for (let second = 0; second < 600; second += 1) {
      for (let report = 0; report < 50; report += 1) {
        expect(budget.frame(2_000)).toBe(0);
        budget.spendCpu(1.5);
        await clock.advance(20);
      }
    }
    budget.spendCpu(1_000);
    expect(budget.frame(0)).toBe(0);
  });

  it('is measured for as long as work keeps the thread', () => {
    const clock = new FakeClock();
    const budget = new AgentBudget(clock, { ...DEFAULT_AGENT_LIMITS, cpu: { burst: 0, perSecond: 1 } });
    expect(budget.metered(() => Array.from({ length: 100_000 }, (_, n) => `${n}`).length)).toBe(100_000);
    expect(budget.frame(0)).toBeGreaterThan(0);
  });
});

describe("offers beyond the agent's own statement of what it holds", () => {
  const id = (n: number) => n.toString(16).padStart(40, '0');

  it('are made at once where the hub knows it, else a few, then one in five minutes', () => {
    const { budget } = createBench();
    expect(budget.claim({ holds: null, anchor: null })).toBeUndefined();
    budget.vouch(id(1));
    expect(budget.claim({ holds: id(1), anchor: id(1) })).toBeUndefined();
    expect([1, 2, 3, 4, 5].map((n) => budget.claim({ holds: null, anchor: id(10 + n) }))).toEqual([0, 0, 0, 0, 300_000]);
    // The same again is no other frame.
    expect(budget.claim({ holds: null, anchor: id(15) })).toBeUndefined();
  });
});

describe('an agent that the hub fails on', () => {
  it('is delayed for twice as long each time, and forgiven after a quarter of an hour', async () => {
    const { clock, budget } = createBench();
    expect(budget.strikes.leftMs()).toBe(0);
    const delays: number[] = [];
    for (let i = 0; i < 10; i += 1) {
      budget.strikes.add();
      delays.push(budget.strikes.leftMs());
      await clock.advance(budget.strikes.leftMs());
      expect(budget.strikes.leftMs()).toBe(0);
    }
    expect(delays).toEqual([1, 2, 4, 8, 16, 32, 64, 128, 256, 300].map((seconds) => seconds * 1000));
    await clock.advance(900_000);
    budget.strikes.add();
    expect(budget.strikes.leftMs()).toBe(1_000);
    await clock.advance(900_001);
    budget.strikes.add(6);
    expect(budget.strikes.leftMs()).toBe(32_000);
  });
});

describe('an agent that reads nothing of what it is sent', () => {
  it('waits for twice as long each time, less than it waits for its welcome, until it acknowledges an offer', async () => {
    const { clock, budget } = createBench();
    const delays: number[] = [];
    for (let i = 0; i < 5; i += 1) {
      budget.stalls.add();
      delays.push(budget.stalls.leftMs());
      await clock.advance(budget.stalls.leftMs());
    }
    expect(delays).toEqual([15_000, 30_000, 60_000, 90_000, 90_000]);
    budget.stalls.clear();
    budget.stalls.add();
    expect(budget.stalls.leftMs()).toBe(15_000);
  });
});

it('outlives the streams of its cluster, and is its own', () => {
  const budgetOf = createAgentBudgets(new FakeClock(), DEFAULT_AGENT_LIMITS);
  expect(budgetOf('eu')).toBe(budgetOf('eu'));
  expect(budgetOf('eu')).not.toBe(budgetOf('us'));
});
